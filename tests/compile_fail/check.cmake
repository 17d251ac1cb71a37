# cmake -D compiler=... -D flags=FILE.rsp -D source=FILE.cpp -P check.cmake: see CMakeLists.txt beside this file.
get_filename_component(name "${source}" NAME)
execute_process(
  COMMAND "${compiler}" "@${flags}" -fsyntax-only "${source}"
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)

if(name MATCHES "^ok_")
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${name} must compile, but the compiler says:\n${output}")
  endif()
  return()
endif()

if(result EQUAL 0)
  message(FATAL_ERROR "${name} compiles, but must not")
endif()
file(STRINGS "${source}" expectations REGEX "^// expect: ")
if(NOT expectations)
  message(FATAL_ERROR "${name} has no line \"// expect: text\"")
endif()
foreach(expectation IN LISTS expectations)
  string(REGEX REPLACE "^// expect: " "" expectation "${expectation}")
  string(FIND "${output}" "${expectation}" position)
  if(position EQUAL -1)
    message(FATAL_ERROR "${name} must fail with \"${expectation}\", but the compiler says:\n${output}")
  endif()
endforeach()

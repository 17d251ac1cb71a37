# Warnings of our own targets. Private, so that nobody who uses the library sees them.
function(agentflow_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # False positive of g++ 12 on coroutine frames from -O1 on.
    target_compile_options(${target} PRIVATE -Wno-mismatched-new-delete)
  else()
    # Part of clang's -Wconversion but not of g++'s.
    target_compile_options(${target} PRIVATE -Wno-sign-conversion)
  endif()
  if(AGENTFLOW_WARNINGS_AS_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

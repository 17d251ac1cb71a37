# Runs PROGRAM with FOLDER, and compares what it prints with the file EXPECTED.
execute_process(COMMAND ${PROGRAM} ${FOLDER} OUTPUT_VARIABLE output RESULT_VARIABLE result)
file(READ ${EXPECTED} expected)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "It ended with ${result}, after:\n${output}")
endif()
if(NOT output STREQUAL expected)
  message(FATAL_ERROR "It printed:\n${output}\nand ${EXPECTED} says:\n${expected}")
endif()

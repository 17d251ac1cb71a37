# Writes user_flags.rsp into the build folder: the command line of a user of the library, for the checks that call the compiler
# themselves (tests/compile_fail, scripts/check_snippets, scripts/compile_time).
file(WRITE ${PROJECT_BINARY_DIR}/user_flags.cpp "")
add_library(agentflow_user_flags OBJECT EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/user_flags.cpp)
target_link_libraries(agentflow_user_flags PRIVATE agentflow::agentflow)

set(definitions $<TARGET_PROPERTY:COMPILE_DEFINITIONS>)
set(directories $<REMOVE_DUPLICATES:$<FILTER:$<TARGET_PROPERTY:INCLUDE_DIRECTORIES>,EXCLUDE,^/usr/include$>>)
file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/user_flags.rsp
  CONTENT "-std=c++20\n-I\"$<JOIN:${directories},\"\n-I\">\"\n$<$<BOOL:${definitions}>:-D$<JOIN:${definitions},\n-D>>\n"
  TARGET agentflow_user_flags)

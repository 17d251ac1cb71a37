# agentflow_add_component(<name>): the library agentflow_<name>, alias agentflow::<name>, from agentflow_<name>_headers and
# agentflow_<name>_sources. What it needs besides the core is linked by the caller, and found again for users by
# component-<name>.cmake.in.
function(agentflow_add_component name)
  set(target agentflow_${name})
  add_library(${target})
  add_library(agentflow::${name} ALIAS ${target})
  list(TRANSFORM agentflow_${name}_headers PREPEND include/ OUTPUT_VARIABLE headers)
  target_sources(${target}
    PRIVATE ${agentflow_${name}_sources}
    PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${headers})
  target_include_directories(${target} PRIVATE src)
  target_link_libraries(${target} PUBLIC agentflow)
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${name}
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    CXX_VISIBILITY_PRESET hidden
    VERIFY_INTERFACE_HEADER_SETS ${PROJECT_IS_TOP_LEVEL})
  if(BUILD_SHARED_LIBS)
    target_compile_definitions(${target} PRIVATE AGENTFLOW_BUILDING)
  endif()
  agentflow_own_target(${target})
  set(agentflow_components ${agentflow_components} ${name} PARENT_SCOPE)
endfunction()

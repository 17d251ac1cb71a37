# Installs the library, its headers, the CMake package and the pkg-config file. Everything is relocatable.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(agentflow_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/agentflow)

# One export set per component, so that a component can be installed, or missing, by itself.
install(TARGETS agentflow EXPORT agentflow-core FILE_SET HEADERS)
install(EXPORT agentflow-core
  FILE agentflow-core-targets.cmake NAMESPACE agentflow:: DESTINATION ${agentflow_cmake_dir})

# A static library hands its private dependencies on to whoever links it; a shared one keeps them to itself.
get_target_property(agentflow_type agentflow TYPE)
if(agentflow_type STREQUAL "STATIC_LIBRARY")
  set(agentflow_is_static TRUE)
  set(agentflow_pc_requires "nlohmann_json >= 3.11, fmt >= 9, spdlog >= 1.10")
  set(agentflow_pc_cflags "")
else()
  set(agentflow_is_static FALSE)
  set(agentflow_pc_requires "nlohmann_json >= 3.11")
  set(agentflow_pc_cflags " -DAGENTFLOW_SHARED")
endif()

configure_package_config_file(cmake/agentflowConfig.cmake.in agentflowConfig.cmake
  INSTALL_DESTINATION ${agentflow_cmake_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(agentflowConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/agentflowConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/agentflowConfigVersion.cmake
  DESTINATION ${agentflow_cmake_dir})
install(FILES cmake/Findasio.cmake DESTINATION ${agentflow_cmake_dir}/modules)

# The prefix is told relative to the .pc file, so the tree may be moved.
file(RELATIVE_PATH agentflow_pc_prefix
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/agentflow.pc.in agentflow.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/agentflow.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# One library, export set, component-<name>.cmake and .pc file each.
foreach(component IN LISTS agentflow_components)
  install(TARGETS agentflow_${component} EXPORT agentflow-${component} FILE_SET HEADERS)
  install(EXPORT agentflow-${component}
    FILE agentflow-${component}-targets.cmake NAMESPACE agentflow:: DESTINATION ${agentflow_cmake_dir})
  configure_file(cmake/component-${component}.cmake.in component-${component}.cmake @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/component-${component}.cmake DESTINATION ${agentflow_cmake_dir})
  set(agentflow_pc_component_requires "")
  if(agentflow_${component}_pc_public)
    set(agentflow_pc_component_requires ", ${agentflow_${component}_pc_public}")
  endif()
  if(agentflow_is_static)
    string(APPEND agentflow_pc_component_requires ", ${agentflow_${component}_pc_requires}")
  endif()
  configure_file(cmake/agentflow-component.pc.in agentflow-${component}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/agentflow-${component}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

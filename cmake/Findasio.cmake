# Finds standalone Asio and defines asio::asio, the spelling that vcpkg and Conan use too.
#
# Debian's package has headers only: no CMake package and no .pc file. Result: asio_FOUND, asio_VERSION, asio::asio.
# This file is installed beside agentflowConfig.cmake, which uses it to find what the library was built with.

if(TARGET asio::asio)
  set(asio_FOUND TRUE)
  return()
endif()

find_package(asio ${asio_FIND_VERSION} CONFIG QUIET)
# Not "if the target exists": a second call in another scope may find the package again without making its target visible.
if(asio_CONFIG)
  set(asio_FOUND TRUE)
  return()
endif()

find_path(asio_INCLUDE_DIR asio/version.hpp)
mark_as_advanced(asio_INCLUDE_DIR)
if(asio_INCLUDE_DIR)
  # "#define ASIO_VERSION 102201 // 1.22.1"
  file(STRINGS "${asio_INCLUDE_DIR}/asio/version.hpp" asio_VERSION REGEX "define ASIO_VERSION ")
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" asio_VERSION "${asio_VERSION}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(asio
  REQUIRED_VARS asio_INCLUDE_DIR
  VERSION_VAR asio_VERSION
  REASON_FAILURE_MESSAGE "Debian and Ubuntu: apt install libasio-dev")

if(asio_FOUND)
  find_package(Threads REQUIRED)
  add_library(asio::asio INTERFACE IMPORTED)
  target_include_directories(asio::asio INTERFACE "${asio_INCLUDE_DIR}")
  target_link_libraries(asio::asio INTERFACE Threads::Threads)
endif()

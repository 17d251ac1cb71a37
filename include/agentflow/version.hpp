// SPDX-License-Identifier: MIT
// The version of the library; CMake reads it from here.
#pragma once

#define AGENTFLOW_VERSION_MAJOR 0
#define AGENTFLOW_VERSION_MINOR 1
#define AGENTFLOW_VERSION_PATCH 0
#define AGENTFLOW_VERSION_STRING "0.1.0"

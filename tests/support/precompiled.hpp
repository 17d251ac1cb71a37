// SPDX-License-Identifier: MIT
// What nearly every test includes, compiled once. A test still includes what it uses: clang builds without this file.
#pragma once

#include <agentflow/agentflow.hpp>

#include "support/catch.hpp"

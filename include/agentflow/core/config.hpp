// SPDX-License-Identifier: MIT
// Symbol visibility, and the checks that a compiler must pass before anything else is read.
#pragma once

#if __cplusplus < 202002L
#error "agentflow needs C++20: compile with -std=c++20 or link the CMake target agentflow::agentflow"
#endif

// Asio before 1.24 does not see clang's coroutines unless it is told; the CMake target passes these.
#if defined(__clang__) && !defined(ASIO_HAS_CO_AWAIT)
#error "agentflow with clang needs -DASIO_HAS_CO_AWAIT=1 -DASIO_HAS_STD_COROUTINE=1: link agentflow::agentflow"
#endif

/// Marks what a shared build of the library exports. Everything else is hidden.
#if defined(AGENTFLOW_SHARED)
#if defined(AGENTFLOW_BUILDING)
#define AGENTFLOW_API __attribute__((visibility("default")))
#else
#define AGENTFLOW_API
#endif
#else
#define AGENTFLOW_API
#endif

/// Types whose identity crosses library borders (exceptions, interfaces): always visible.
#define AGENTFLOW_VISIBLE __attribute__((visibility("default")))

/// What a function returns points into its object: clang warns where it outlives a temporary one.
#if defined(__clang__)
#define AGENTFLOW_LIFETIMEBOUND [[clang::lifetimebound]]
#else
#define AGENTFLOW_LIFETIMEBOUND
#endif

// SPDX-License-Identifier: MIT
// What a run may end with when memory was short.
#pragma once

#include <exception>
#include <new>

#include <agentflow/core/error.hpp>

#include "support/catch.hpp"

/// What is not a typed error, or says that something hangs, fails the test.
inline void check_error(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::bad_alloc&) {
  } catch (const agentflow::error& e) {
    CHECK(e.code() != agentflow::errc::deadlock);
  } catch (...) {
    FAIL_CHECK("neither std::bad_alloc nor an agentflow::error: " << agentflow::describe(std::current_exception()));
  }
}

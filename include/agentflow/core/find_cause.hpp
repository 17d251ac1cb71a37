// SPDX-License-Identifier: MIT
// find_cause: what lies behind an error.
#pragma once

#include <exception>
#include <optional>
#include <utility>

#include <agentflow/core/error.hpp>

namespace agentflow {

/// Finds an error of type E among an exception and its causes, the outermost first; nothing if there is none.
///
/// ```cpp
/// } catch (const af::error& e) {
///   if (const auto model = af::find_cause<af::model_error>(e)) retry_at(model->info().retry_after);
/// ```
template <class E>
std::optional<E> find_cause(const std::exception& e) {
  if (const auto* found = dynamic_cast<const E*>(&e)) return *found;
  std::exception_ptr next;
  if (const auto* outer = dynamic_cast<const std::nested_exception*>(&e)) next = outer->nested_ptr();
  for (int depth = 0; next && depth < 100; ++depth) {
    const std::exception_ptr current = std::exchange(next, nullptr);
    try {
      std::rethrow_exception(current);
    } catch (const E& found) {
      return found;
    } catch (const std::nested_exception& outer) {
      next = outer.nested_ptr();
    } catch (...) {
    }
  }
  return std::nullopt;
}

}  // namespace agentflow

// SPDX-License-Identifier: MIT
// Outcome<T>: what an operation gave, or what it threw.
#pragma once

#include <exception>
#include <optional>
#include <utility>

namespace agentflow {

/// A value, or the exception that stands in its place. What `gather` gives with `return_exceptions`.
///
/// **Thread safety** Distinct objects: safe. Shared objects: safe to read.
template <class T>
class [[nodiscard]] Outcome {
 public:
  using value_type = T;

  explicit Outcome(T value) : value_(std::move(value)) {}
  explicit Outcome(std::exception_ptr error) : error_(std::move(error)) {}

  bool has_value() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  /// The value. **Errors** Throws the exception that stands in its place.
  T& value() & {
    check();
    return *value_;
  }
  const T& value() const& {
    check();
    return *value_;
  }
  T&& value() && {
    check();
    return std::move(*value_);
  }
  /// The exception, or null. `describe(outcome.error())` puts it into words.
  const std::exception_ptr& error() const noexcept { return error_; }

  /// The value, as `value()` gives it.
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  void check() const {
    if (error_) std::rethrow_exception(error_);
  }
  std::optional<T> value_;
  std::exception_ptr error_;
};

/// The same for operations that give nothing.
template <>
class [[nodiscard]] Outcome<void> {
 public:
  using value_type = void;

  Outcome() = default;
  explicit Outcome(std::exception_ptr error) : error_(std::move(error)) {}

  bool has_value() const noexcept { return !error_; }
  explicit operator bool() const noexcept { return has_value(); }
  void value() const {
    if (error_) std::rethrow_exception(error_);
  }
  const std::exception_ptr& error() const noexcept { return error_; }

 private:
  std::exception_ptr error_;
};

}  // namespace agentflow

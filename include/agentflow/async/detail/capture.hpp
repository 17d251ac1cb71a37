// SPDX-License-Identifier: MIT
// Private to async: keeps the value of an awaitable where its erased form can leave it.
#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <asio/awaitable.hpp>

namespace agentflow::detail {

/// Where a value will be. Nothing for operations that give none.
template <class T>
class Cell {
 public:
  asio::awaitable<void> keep(asio::awaitable<T> work) const { return run(std::move(work), value_); }
  T take() const { return std::move(**value_); }
  bool filled() const noexcept { return value_->has_value(); }

 private:
  static asio::awaitable<void> run(asio::awaitable<T> work, std::shared_ptr<std::optional<T>> into) {
    T value = co_await std::move(work);
    into->emplace(std::move(value));
  }
  std::shared_ptr<std::optional<T>> value_ = std::make_shared<std::optional<T>>();
};

template <>
class Cell<void> {
 public:
  asio::awaitable<void> keep(asio::awaitable<void> work) const { return work; }
  void take() const noexcept {}
};

}  // namespace agentflow::detail

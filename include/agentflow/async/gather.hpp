// SPDX-License-Identifier: MIT
// gather: several awaitables side by side, joined.
#pragma once

#include <cstddef>
#include <exception>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <asio/awaitable.hpp>

#include <agentflow/async/detail/capture.hpp>
#include <agentflow/async/outcome.hpp>
#include <agentflow/core/config.hpp>

namespace agentflow {

/// Asks `gather` for the outcome of each operation instead of failing with the first failure.
struct return_exceptions_t {
  explicit return_exceptions_t() = default;
};
inline constexpr return_exceptions_t return_exceptions{};

/// Options of `gather`.
class GatherOptions {
 public:
  GatherOptions() = default;
  /// How many operations are under way at once; the others wait their turn, in order. Default 0: no limit.
  GatherOptions& limit(std::size_t n) & {
    limit_ = n;
    return *this;
  }
  GatherOptions&& limit(std::size_t n) && { return std::move(limit(n)); }
  std::size_t limit() const noexcept { return limit_; }

 private:
  std::size_t limit_ = 0;
};
static_assert(!std::is_aggregate_v<GatherOptions>);

namespace detail {

/// Runs all, joins all. With `fail_fast` throws the root cause, else gives what each threw, or null.
AGENTFLOW_API asio::awaitable<std::vector<std::exception_ptr>> gather_erased(std::vector<asio::awaitable<void>> work,
                                                                             std::size_t limit, bool fail_fast);

template <class T>
using ValueOrMonostate = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T>
ValueOrMonostate<T> take_value(const Cell<T>& cell) {
  if constexpr (std::is_void_v<T>)
    return std::monostate();
  else
    return cell.take();
}
template <class T>
Outcome<T> take_outcome(const Cell<T>& cell, std::exception_ptr error) {
  if (error) return Outcome<T>(std::move(error));
  if constexpr (std::is_void_v<T>)
    return Outcome<T>();
  else
    return Outcome<T>(cell.take());
}

template <class... T, std::size_t... I>
std::vector<asio::awaitable<void>> erase_all(const std::tuple<Cell<T>...>& cells,
                                             std::tuple<asio::awaitable<T>...>& work, std::index_sequence<I...>) {
  std::vector<asio::awaitable<void>> erased;
  erased.reserve(sizeof...(T));
  (erased.push_back(std::get<I>(cells).keep(std::move(std::get<I>(work)))), ...);
  return erased;
}

template <class... T>
asio::awaitable<std::tuple<ValueOrMonostate<T>...>> gather_values(std::tuple<Cell<T>...> cells,
                                                                  std::vector<asio::awaitable<void>> work) {
  co_await gather_erased(std::move(work), 0, true);
  co_return std::apply([](const auto&... cell) { return std::tuple<ValueOrMonostate<T>...>(take_value(cell)...); },
                       cells);
}

template <class... T, std::size_t... I>
std::tuple<Outcome<T>...> take_outcomes(const std::tuple<Cell<T>...>& cells, std::vector<std::exception_ptr>& errors,
                                        std::index_sequence<I...>) {
  return std::tuple<Outcome<T>...>(take_outcome(std::get<I>(cells), std::move(errors[I]))...);
}

template <class... T>
asio::awaitable<std::tuple<Outcome<T>...>> gather_outcomes(std::tuple<Cell<T>...> cells,
                                                           std::vector<asio::awaitable<void>> work) {
  auto errors = co_await gather_erased(std::move(work), 0, false);
  co_return take_outcomes(cells, errors, std::index_sequence_for<T...>());
}

template <class T>
using GatheredRange = std::conditional_t<std::is_void_v<T>, void, std::vector<ValueOrMonostate<T>>>;

template <class T>
asio::awaitable<GatheredRange<T>> gather_range(std::vector<Cell<T>> cells, std::vector<asio::awaitable<void>> work,
                                               std::size_t limit) {
  co_await gather_erased(std::move(work), limit, true);
  if constexpr (!std::is_void_v<T>) {
    std::vector<T> values;
    values.reserve(cells.size());
    for (const auto& cell : cells) values.push_back(cell.take());
    co_return values;
  }
}

template <class T>
asio::awaitable<std::vector<Outcome<T>>> gather_range_outcomes(std::vector<Cell<T>> cells,
                                                               std::vector<asio::awaitable<void>> work,
                                                               std::size_t limit) {
  auto errors = co_await gather_erased(std::move(work), limit, false);
  std::vector<Outcome<T>> outcomes;
  outcomes.reserve(cells.size());
  for (std::size_t i = 0; i < cells.size(); ++i) outcomes.push_back(take_outcome(cells[i], std::move(errors[i])));
  co_return outcomes;
}

template <class T>
std::pair<std::vector<Cell<T>>, std::vector<asio::awaitable<void>>> erase_range(std::vector<asio::awaitable<T>> work) {
  std::pair<std::vector<Cell<T>>, std::vector<asio::awaitable<void>>> both;
  both.first.resize(work.size());
  both.second.reserve(work.size());
  for (std::size_t i = 0; i < work.size(); ++i) both.second.push_back(both.first[i].keep(std::move(work[i])));
  return both;
}

}  // namespace detail

/// Runs awaitables of any types side by side, waits for all of them, and gives what they return as a tuple, in their
/// order, `std::monostate` for void.
///
/// The first failure cancels the others; they are joined, and then that failure is thrown, not the siblings'
/// cancellation. Nothing of the operations is alive when `gather` returns or throws.
///
/// All operations of one gather run on one strand of the caller's executor: they take turns and need no locks among
/// each other, on any number of threads. What computes for long goes to `run_blocking`.
///
/// **Errors** The root cause.
/// **Cancellation** cancels all, joins all, and throws `cancelled_error` unless all of them succeeded in spite of it.
/// **Lifetime** Operations that refer to locals of the caller are fine: the caller waits for them.
///
/// **Example** `auto results = co_await af::gather(app.ainvoke("a"), app.ainvoke("b"));`
template <class... T>
  requires(sizeof...(T) > 0)
asio::awaitable<std::tuple<detail::ValueOrMonostate<T>...>> gather(asio::awaitable<T>... work) {
  std::tuple<detail::Cell<T>...> cells;
  std::tuple<asio::awaitable<T>...> all(std::move(work)...);
  auto erased = detail::erase_all(cells, all, std::index_sequence_for<T...>());
  return detail::gather_values(std::move(cells), std::move(erased));
}

/// The same, but no failure cancels anything: gives an `Outcome` for each, in order.
///
/// **Example** `auto outcomes = co_await af::gather(af::return_exceptions, first(), second());`
template <class... T>
  requires(sizeof...(T) > 0)
asio::awaitable<std::tuple<Outcome<T>...>> gather(return_exceptions_t, asio::awaitable<T>... work) {
  std::tuple<detail::Cell<T>...> cells;
  std::tuple<asio::awaitable<T>...> all(std::move(work)...);
  auto erased = detail::erase_all(cells, all, std::index_sequence_for<T...>());
  return detail::gather_outcomes(std::move(cells), std::move(erased));
}

/// The same for any number of awaitables of one type: gives a vector in their order, or nothing for void. With
/// `GatherOptions::limit`, so many of them at once; an awaitable does nothing until its turn comes.
template <class T>
asio::awaitable<detail::GatheredRange<T>> gather(std::vector<asio::awaitable<T>> work, GatherOptions options = {}) {
  auto [cells, erased] = detail::erase_range(std::move(work));
  return detail::gather_range(std::move(cells), std::move(erased), options.limit());
}

/// The same with an `Outcome` for each, in order.
template <class T>
asio::awaitable<std::vector<Outcome<T>>> gather(std::vector<asio::awaitable<T>> work, return_exceptions_t,
                                                GatherOptions options = {}) {
  auto [cells, erased] = detail::erase_range(std::move(work));
  return detail::gather_range_outcomes(std::move(cells), std::move(erased), options.limit());
}

}  // namespace agentflow

// SPDX-License-Identifier: MIT
// GracefulShutdownManager: from a signal to a program that ends in order, within a bound.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <stop_token>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/this_coro.hpp>

#include <agentflow/async/detail/capture.hpp>
#include <agentflow/core/config.hpp>
#include <agentflow/core/error.hpp>

namespace spdlog {
class logger;
}

namespace agentflow {

/// How far a shutdown has got. It never goes back.
enum class shutdown_stage {
  running,     ///< Nobody has asked.
  requested,   ///< The first signal: start nothing new, end what can be resumed, finish what cannot.
  cancelling,  ///< The second: cancel what is left.
  forced,      ///< The third, or the deadline: the program should exit now, with `exit_code()`.
};

/// Turns signals into an orderly end of the program.
///
/// ```cpp
/// af::GracefulShutdownManager shutdown(co_await asio::this_coro::executor, 30s);
/// shutdown.register_signal_handlers();
/// try {
///   while (!shutdown.shutdown_requested()) co_await shutdown.run_until_shutdown(app.ainvoke(next_input()));
/// } catch (const af::shutdown_requested_error&) {
/// }
/// co_await shutdown.finally([&] { return clean_up(); });
/// co_return shutdown.exit_code();
/// ```
/// The first SIGINT or SIGTERM asks for the shutdown: `shutdown_requested()` turns true, the callbacks are called, what
/// runs in `run_until_shutdown` is cancelled. The second cancels what runs in `run_until_cancelled`. The third, or the
/// deadline, `timeout` after the first signal came, forces: it calls `on_force` with an exit code. The library itself
/// never exits: without an `on_force`, nothing happens then.
///
/// Signals are watched for by a thread of their own, so that the bound holds even while a function blocks the event
/// loop. While handlers are registered SIGPIPE is ignored, if nothing handled it: writing to a closed socket is an
/// error, not the end.
///
/// **Thread safety** Safe, apart from construction and destruction. Several managers may live side by side, on one
/// event loop or several; each sees every signal it registered for.
/// **Lifetime** Must not outlive the execution context. Destroying it unregisters.
class AGENTFLOW_API GracefulShutdownManager {
  struct State;

 public:
  /// Callbacks run on the executor, on a strand of their own. The timeout goes by the clock of the executor's context.
  /// **Errors** `config_error` for a timeout that is not positive.
  explicit GracefulShutdownManager(const asio::any_io_executor& executor,
                                   std::chrono::nanoseconds timeout = std::chrono::seconds(30));
  ~GracefulShutdownManager();
  GracefulShutdownManager(const GracefulShutdownManager&) = delete;
  GracefulShutdownManager& operator=(const GracefulShutdownManager&) = delete;

  /// Handles SIGINT, SIGTERM and the signals that are given besides. May be called again, with more.
  ///
  /// **Errors** `config_error` for a signal that cannot be handled, or that reports a fault of the program.
  void register_signal_handlers(const std::vector<int>& more = {});
  /// Puts back what handled the signals before, bit by bit, and ends the deadline. Signals that came are delivered
  /// first. May be called at any time, and again.
  void unregister_signal_handlers() noexcept;

  /// Whether a shutdown was asked for. True at once when a signal has come, even if the event loop is busy; false as
  /// long as it is deferred by a protected section.
  bool shutdown_requested() const noexcept;
  shutdown_stage stage() const noexcept;
  /// The first signal that was delivered; 0 if there was none.
  int signal() const noexcept;
  /// Asks as the first signal does, without one. Asking again changes nothing.
  void request_shutdown();
  /// Becomes requested with the shutdown, for functions that poll or register a `std::stop_callback`. Those run on the
  /// thread that delivers the signal.
  std::stop_token stop_token() const noexcept;

  /// Waits until a shutdown is asked for. **Cancellation** throws `cancelled_error`.
  asio::awaitable<void> wait_for_shutdown() const { return wait(state_); }

  /// Awaits something that a shutdown interrupts: it is cancelled and joined, and `shutdown_requested_error` thrown.
  /// If it succeeds in spite of that, its value counts. When a shutdown was asked for already, nothing is started.
  ///
  /// **Errors** `shutdown_requested_error`, with what the work threw nested in it unless that was only the
  /// cancellation; otherwise what the work throws.
  /// **Cancellation** cancels the work, joins it, and throws `cancelled_error`.
  template <class T>
  asio::awaitable<T> run_until_shutdown(asio::awaitable<T> work) const {
    return bound_typed(state_, std::move(work), shutdown_stage::requested);
  }
  /// The same for what should be finished if possible: only a second signal interrupts it.
  template <class T>
  asio::awaitable<T> run_until_cancelled(asio::awaitable<T> work) const {
    return bound_typed(state_, std::move(work), shutdown_stage::cancelling);
  }
  /// The same for what must be begun in any case, such as a close: if the second signal was there already, it is
  /// started and cancelled at once.
  ///
  /// **Example** `auto stats = co_await shutdown.close_until_cancelled(app.aclose());`
  template <class T>
  asio::awaitable<T> close_until_cancelled(asio::awaitable<T> work) const {
    return bound_typed(state_, std::move(work), shutdown_stage::cancelling, true);
  }

  /// Defers signals while it lives. Sections nest, across threads and `co_await`: when the last one ends, all signals
  /// that came meanwhile are delivered, in order, before its destructor returns. Only the deadline passes through.
  class AGENTFLOW_API ProtectedSection {
   public:
    ProtectedSection(ProtectedSection&&) noexcept = default;
    ProtectedSection& operator=(ProtectedSection&&) = delete;
    ~ProtectedSection();

   private:
    friend class GracefulShutdownManager;
    explicit ProtectedSection(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
  };
  [[nodiscard]] ProtectedSection protect_section() const { return ProtectedSection(state_); }

  /// Awaits `cleanup()` in a protected section, then unregisters; gives what it gives. A cancellation of the caller
  /// that comes meanwhile does not interrupt it; the deadline forces the exit if it takes too long.
  template <class F>
  std::invoke_result_t<std::decay_t<F>&> finally(F&& cleanup) {
    return clean_up<std::decay_t<F>>(state_, std::forward<F>(cleanup));
  }
  /// Awaits `body`, and then, whether it succeeded, failed or was cancelled, `cleanup()` as above. What the body throws
  /// counts for more than what the clean-up throws.
  template <class T, class F>
  asio::awaitable<T> finally(asio::awaitable<T> body, F&& cleanup) {
    return body_and_clean_up<T, std::decay_t<F>>(state_, std::move(body), std::forward<F>(cleanup));
  }

  /// Called once, when a shutdown is asked for; at once if that has happened. Callbacks are called in the order in
  /// which they were added; what one throws is logged, and the next is called.
  void on_shutdown(std::function<void()> callback);
  /// Called for each signal that is delivered, in order, with its number; 0 for `request_shutdown()`.
  void on_signal(std::function<void(int)> callback);
  /// Called once when the exit is forced, with `exit_code()`, on the thread that watches for signals. Usually
  /// `[](int code) { std::_Exit(code); }`.
  void on_force(std::function<void(int)> callback);
  /// Where failures of callbacks are logged. Default: nowhere.
  void set_logger(std::shared_ptr<spdlog::logger> logger);

  /// What the program should exit with: 0 when everything was drained, 75 (EX_TEMPFAIL) when something that
  /// `run_until_shutdown` or `run_until_cancelled` ran was interrupted and can be resumed, 128 + n when the exit was
  /// forced, n being the signal that forced it, or the last before the deadline (SIGTERM if there was none).
  int exit_code() const noexcept;

 private:
  /// A section that ends by unregistering.
  class AGENTFLOW_API Closing {
   public:
    explicit Closing(std::shared_ptr<State> state);
    ~Closing();
    Closing(const Closing&) = delete;
    Closing& operator=(const Closing&) = delete;

   private:
    std::shared_ptr<State> state_;
  };

  static asio::awaitable<void> wait(std::shared_ptr<State> state);
  static asio::awaitable<void> bound(std::shared_ptr<State> state, asio::awaitable<void> work, shutdown_stage at,
                                     bool anyway);
  static asio::awaitable<void> shielded(asio::awaitable<void> work);
  static void report(const State& state, const std::exception_ptr& failure);

  template <class T>
  static asio::awaitable<T> bound_typed(std::shared_ptr<State> state, asio::awaitable<T> work, shutdown_stage at,
                                        bool anyway = false) {
    detail::Cell<T> cell;
    auto erased = cell.keep(std::move(work));
    return bound_cell(std::move(cell), std::move(state), std::move(erased), at, anyway);
  }
  template <class T>
  static asio::awaitable<T> bound_cell(detail::Cell<T> cell, std::shared_ptr<State> state, asio::awaitable<void> work,
                                       shutdown_stage at, bool anyway) {
    co_await bound(std::move(state), std::move(work), at, anyway);
    co_return cell.take();
  }
  template <class F>
  static std::invoke_result_t<F&> clean_up(std::shared_ptr<State> state, F cleanup) {
    const Closing closing(state);
    detail::Cell<typename std::invoke_result_t<F&>::value_type> cell;
    auto work = cell.keep(cleanup());
    co_await shielded(std::move(work));
    co_return cell.take();
  }
  template <class T, class F>
  static asio::awaitable<T> body_and_clean_up(std::shared_ptr<State> state, asio::awaitable<T> body, F cleanup) {
    detail::Cell<T> cell;
    std::exception_ptr failure, second;
    try {
      auto work = cell.keep(std::move(body));
      co_await std::move(work);
    } catch (...) {
      failure = std::current_exception();
    }
    const bool throws = co_await asio::this_coro::throw_if_cancelled();
    co_await asio::this_coro::throw_if_cancelled(false);
    try {
      auto work = clean_up<F>(state, std::move(cleanup));
      co_await std::move(work);
    } catch (...) {
      second = std::current_exception();
    }
    co_await asio::this_coro::throw_if_cancelled(throws);
    if (failure && second) report(*state, second);
    if (failure) std::rethrow_exception(failure);
    if (second) std::rethrow_exception(second);
    co_return cell.take();
  }

  std::shared_ptr<State> state_;
};

}  // namespace agentflow

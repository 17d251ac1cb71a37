// SPDX-License-Identifier: MIT
// Private: the signals of the process, and the thread that watches for them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <asio/any_io_executor.hpp>

namespace agentflow::detail {

/// Every signal that came, in order, written by the signal handler itself: so nothing depends on an event loop that may
/// be busy. Readers keep a position of their own.
///
/// **Units/limits** The last 4,096 are kept; a reader that is further behind misses the oldest.
class SignalLog {
 public:
  static std::uint64_t end() noexcept;
  /// The signal at `position`, and moves on; 0 at the end.
  static int next(std::uint64_t& position) noexcept;
};

/// Hears of signals, on the registry's thread.
class SignalListener {
 public:
  virtual void on_signals() = 0;

 protected:
  ~SignalListener() = default;
};

/// Which signals are handled, for whom, and what was there before. One for the process, because signals are; its
/// thread, which blocks all signals, runs from the first registration to the last.
class SignalRegistry {
 public:
  static SignalRegistry& instance();

  /// Handles more signals for a listener. **Errors** `config_error` for one that cannot be handled; nothing is changed.
  void add(const std::shared_ptr<SignalListener>& listener, const std::vector<int>& signals);
  /// Undoes that. What handled the signals before is back when it returns, bit by bit, unless somebody else has taken
  /// them over meanwhile.
  void remove(const SignalListener* listener) noexcept;
  /// Of the thread. Only while somebody is registered.
  asio::any_io_executor executor();

 private:
  struct Impl;
  SignalRegistry();
  Impl* const impl_;  // for ever: signals may come at any time
};

}  // namespace agentflow::detail

// SPDX-License-Identifier: MIT
// Signals: a log written by the handler, Asio's signal_set to wake a thread, and the old handlers.
#include "async/signal_registry.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <fmt/format.h>

#include <agentflow/core/error.hpp>

namespace agentflow::detail {
namespace {

// ---- what the handler touches: lock-free atomics alone
// ---------------------------------------------------------------

constexpr std::uint64_t log_size = 4096;
constexpr int signal_count = 65;
std::atomic<std::uint64_t> log_end{0};
std::atomic<std::uint64_t> log_entries[log_size];  // (position + 1) << 8 | signal
std::atomic<std::uint64_t> logged[signal_count];
std::atomic<void (*)(int)> asio_handler[signal_count];
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<void (*)(int)>::is_always_lock_free);

void write_log(int signal) noexcept {
  logged[signal].fetch_add(1);
  const std::uint64_t position = log_end.fetch_add(1);
  log_entries[position % log_size].store((position + 1) << 8 | static_cast<std::uint64_t>(signal));
}

extern "C" void agentflow_on_signal(int signal) {
  const int saved = errno;
  write_log(signal);
  // Asio's handler writes to a pipe, which wakes the registry's thread and whoever else has a signal_set.
  if (auto* const next = asio_handler[signal].load()) next(signal);
  errno = saved;
}

bool is_ours(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == &agentflow_on_signal;
}

struct sigaction current(int signal) noexcept {
  struct sigaction action = {};
  ::sigaction(signal, nullptr, &action);
  return action;
}

/// Puts an action back bit by bit. For a signal that nobody had touched that takes the system call itself: glibc's
/// wrapper leaves its SA_RESTORER behind in what sigaction() tells from then on.
void restore(int signal, const struct sigaction& action) noexcept {
  ::sigaction(signal, &action, nullptr);
#if defined(__x86_64__) && defined(__linux__)
  constexpr int restorer = 0x04000000;
  if ((action.sa_flags & restorer) != 0 || (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN)) return;
  struct {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)();
    std::uint64_t mask;
  } raw{action.sa_handler, static_cast<unsigned long>(static_cast<unsigned>(action.sa_flags)), nullptr, 0};
  std::memcpy(&raw.mask, &action.sa_mask, sizeof raw.mask);
  ::syscall(SYS_rt_sigaction, signal, &raw, nullptr, sizeof raw.mask);
#endif
}

/// No signal is delivered to this thread, nor to those it starts, meanwhile.
class AllBlocked {
 public:
  AllBlocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  ~AllBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  AllBlocked(const AllBlocked&) = delete;
  AllBlocked& operator=(const AllBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

std::uint64_t SignalLog::end() noexcept { return log_end.load(); }

int SignalLog::next(std::uint64_t& position) noexcept {
  const std::uint64_t last = log_end.load();
  if (last - position > log_size) position = last - log_size;
  while (position < last) {
    const std::uint64_t entry = log_entries[position % log_size].load();
    if (entry >> 8 < position + 1) return 0;  // its handler has not got so far yet
    ++position;
    if (entry >> 8 == position) return static_cast<int>(entry & 0xff);
  }
  return 0;
}

// ---- the registry
// ----------------------------------------------------------------------------------------------------

struct SignalRegistry::Impl {
  struct Handled {
    int users = 0;
    struct sigaction before = {};
    struct sigaction asio = {};
  };
  /// The loop of the thread, which owns it too: it may be told to end by itself.
  struct Watch {
    asio::io_context io{1};
    asio::executor_work_guard<asio::io_context::executor_type> guard{io.get_executor()};
    asio::signal_set set{io};
  };

  void start() {
    if (watch) return;
    auto starting = std::make_shared<Watch>();
    try {
      const AllBlocked blocked;
      thread = std::thread([w = starting] { w->io.run(); });
    } catch (const std::system_error& e) {
      throw error(errc::resource_exhausted,
                  std::string("cannot start the thread that watches for signals: ") + e.what());
    }
    watch = std::move(starting);
    wait(watch);
    pipe_before = current(SIGPIPE);
    pipe_ignored = (pipe_before.sa_flags & SA_SIGINFO) == 0 && pipe_before.sa_handler == SIG_DFL;
    if (!pipe_ignored) return;
    struct sigaction ignore = {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, nullptr);
  }

  /// Gives what has to be joined when nothing is locked.
  std::thread stop() noexcept {
    if (!users.empty() || !watch) return {};
    if (pipe_ignored && current(SIGPIPE).sa_handler == SIG_IGN) restore(SIGPIPE, pipe_before);
    watch->io.stop();
    watch.reset();
    return std::move(thread);
  }

  void wait(const std::shared_ptr<Watch>& w) {
    w->set.async_wait([this, w = w.get()](std::error_code ec, int signal) {
      if (ec) return;
      heard(signal);
      std::unique_lock lock(mutex);
      const auto alive = watch;
      lock.unlock();
      if (alive.get() == w) wait(alive);
    });
  }

  void heard(int signal) {
    // One that came while Asio's handler stood alone, in the moment of registering, is not in the log yet.
    if (++woken[signal] > logged[signal].load()) write_log(signal);
    std::vector<std::shared_ptr<SignalListener>> all;
    {
      std::lock_guard lock(mutex);
      for (const auto& [listener, signals] : users)
        if (auto alive = listeners[listener].lock()) all.push_back(std::move(alive));
    }
    for (const auto& listener : all) listener->on_signals();
  }

  void install(int signal) {
    Handled& h = handled[signal];
    if (h.users > 0) {
      ++h.users;
      return;
    }
    h.before = current(signal);
    std::error_code ec;
    watch->set.add(signal, ec);
    if (ec) throw config_error(errc::bad_config, fmt::format("signal {} cannot be handled: {}", signal, ec.message()));
    h.asio = current(signal);
    asio_handler[signal].store(h.asio.sa_handler);
    struct sigaction ours = {};
    ours.sa_handler = &agentflow_on_signal;
    ours.sa_flags = SA_RESTART;  // plain code that reads a file need not know
    sigfillset(&ours.sa_mask);
    ::sigaction(signal, &ours, nullptr);
    h.users = 1;
  }

  void uninstall(int signal) noexcept {
    Handled& h = handled[signal];
    if (h.users == 0 || --h.users > 0) return;
    const struct sigaction now = current(signal);
    std::error_code ignored;
    watch->set.remove(signal, ignored);  // sets SIG_DFL, if no other signal_set has it
    if (!is_ours(now))
      restore(signal, now);  // somebody came after us, and stays
    else
      restore(signal, is_ours(current(signal)) ? h.asio : h.before);
  }

  std::mutex mutex;
  std::map<const SignalListener*, std::vector<int>> users;
  std::map<const SignalListener*, std::weak_ptr<SignalListener>> listeners;
  std::map<int, Handled> handled;
  std::uint64_t woken[signal_count] = {};  // on the thread alone
  std::shared_ptr<Watch> watch;
  std::thread thread;
  struct sigaction pipe_before = {};
  bool pipe_ignored = false;
};

SignalRegistry::SignalRegistry() : impl_(new Impl) {}

SignalRegistry& SignalRegistry::instance() {
  static SignalRegistry& registry = *new SignalRegistry;
  return registry;
}

void SignalRegistry::add(const std::shared_ptr<SignalListener>& listener, const std::vector<int>& signals) {
  static constexpr int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGPIPE};
  for (const int s : signals) {
    if (s <= 0 || s >= signal_count || std::find(std::begin(faults), std::end(faults), s) != std::end(faults))
      throw config_error(errc::bad_config, fmt::format("signal {} is not one that may ask for a shutdown", s));
  }
  std::unique_lock lock(impl_->mutex);
  impl_->start();
  auto& mine = impl_->users[listener.get()];
  impl_->listeners[listener.get()] = listener;
  std::vector<int> added;
  try {
    for (const int s : signals) {
      if (std::find(mine.begin(), mine.end(), s) != mine.end()) continue;
      mine.reserve(mine.size() + 1);
      impl_->install(s);
      mine.push_back(s);
      added.push_back(s);
    }
  } catch (...) {
    for (const int s : added) {
      impl_->uninstall(s);
      mine.pop_back();
    }
    const bool none = mine.empty();
    lock.unlock();
    if (none) remove(listener.get());
    throw;
  }
}

void SignalRegistry::remove(const SignalListener* listener) noexcept {
  std::thread ended;
  {
    std::lock_guard lock(impl_->mutex);
    const auto it = impl_->users.find(listener);
    if (it == impl_->users.end()) return;
    for (const int s : it->second) impl_->uninstall(s);
    impl_->users.erase(it);
    impl_->listeners.erase(listener);
    ended = impl_->stop();
  }
  if (!ended.joinable()) return;
  if (ended.get_id() == std::this_thread::get_id())
    ended.detach();
  else
    ended.join();
}

asio::any_io_executor SignalRegistry::executor() {
  std::lock_guard lock(impl_->mutex);
  return impl_->watch->io.get_executor();
}

}  // namespace agentflow::detail

// SPDX-License-Identifier: MIT
// The machine's clocks, on Asio's timers.
#include <agentflow/core/clock.hpp>

#include <asio/bind_executor.hpp>
#include <asio/steady_timer.hpp>

namespace agentflow {

Clock::Timer::~Timer() = default;
Clock::~Clock() = default;

namespace {

class SystemTimer final : public Clock::Timer {
 public:
  SystemTimer(const asio::any_io_executor& ex, Clock::time_point when, detail::UniqueFunction<void()> fn)
      : timer_(ex, when) {
    timer_.async_wait([fn = std::move(fn)](std::error_code ec) mutable {
      if (!ec) fn();
    });
  }

 private:
  asio::steady_timer timer_;
};

class SystemClock final : public Clock {
 public:
  time_point now() const noexcept override { return std::chrono::steady_clock::now(); }
  std::chrono::system_clock::time_point wall_now() const noexcept override { return std::chrono::system_clock::now(); }
  std::unique_ptr<Timer> schedule(asio::any_io_executor executor, time_point when,
                                  detail::UniqueFunction<void()> fn) override {
    return std::make_unique<SystemTimer>(executor, when, std::move(fn));
  }
};

}  // namespace

std::shared_ptr<Clock> Clock::system() {
  // Stateless, so one object may serve everybody.
  static const std::shared_ptr<Clock> clock = std::make_shared<SystemClock>();
  return clock;
}

}  // namespace agentflow

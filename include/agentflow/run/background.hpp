// SPDX-License-Identifier: MIT
// BackgroundTasks: what goes on behind the runs of a graph.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include <agentflow/async/background_tasks.hpp>
#include <agentflow/core/config.hpp>

namespace agentflow {

namespace detail {
class Background;
}

/// The background tasks of a graph, which its nodes start with `NodeContext::background`. Each runs on the event loop
/// of the run that started it; closing the graph drains them.
///
/// **Thread safety** Safe. **Lifetime** May outlive the graph.
class AGENTFLOW_API BackgroundTasks {
 public:
  explicit BackgroundTasks(std::shared_ptr<detail::Background> tasks) noexcept : tasks_(std::move(tasks)) {}
  std::size_t running() const;
  /// The names of the tasks that run.
  std::vector<std::string> names() const;
  BackgroundStats stats() const;
  /// Waits until none runs. **Cancellation** throws `cancelled_error`; the tasks go on.
  asio::awaitable<void> wait_for_all();
  /// Cancels all that run; they end soon. Never waits, and never fails.
  void cancel_all() noexcept;

 private:
  std::shared_ptr<detail::Background> tasks_;
};

}  // namespace agentflow

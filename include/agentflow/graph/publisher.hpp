// SPDX-License-Identifier: MIT
// Publisher: the port through which a graph tells the world what its runs do.
#pragma once

#include <asio/awaitable.hpp>

#include <agentflow/core/config.hpp>
#include <agentflow/graph/chunk.hpp>

namespace agentflow {

/// Takes the events of all runs of a graph, for a message queue, a metrics system, an audit log. Given with
/// `CompileOptions::publisher`.
///
/// The graph calls it on a thread of its own, one event after another, from a bounded queue. Runs never wait for it,
/// and never fail with it: what it throws is logged and counted, and what does not fit into the queue is dropped and
/// counted.
///
/// **Cancellation** `publish` is cancelled when the graph is being closed and the time is up.
/// **Thread safety** Never called concurrently by one graph.
class AGENTFLOW_VISIBLE Publisher {
 public:
  virtual ~Publisher();
  virtual asio::awaitable<void> publish(Chunk chunk) = 0;
  /// The last call, when the graph is closed: flush, disconnect. By default nothing.
  virtual asio::awaitable<void> close();
};

}  // namespace agentflow

// SPDX-License-Identifier: MIT
// Private: the thread that drives libcurl.
#pragma once

#include <memory>
#include <thread>

#include <agentflow/http/client.hpp>

#include "http/transfer.hpp"

namespace agentflow::http {

/// libcurl's multi handle and the event loop it lives on, which one thread runs. All of libcurl happens there, so
/// nothing needs a lock; the functions here post to it.
class Engine {
 public:
  explicit Engine(ClientOptions options);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  std::shared_ptr<Transfer> begin(Request request);
  /// The reader has gone: the exchange is closed.
  void abort(std::shared_ptr<Transfer> transfer);
  /// The reader has room again.
  void resume(std::shared_ptr<Transfer> transfer);
  /// The reader has gone, but what little is to come may come.
  void leave(std::shared_ptr<Transfer> transfer);

 private:
  class Loop;
  ClientOptions options_;
  std::shared_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace agentflow::http

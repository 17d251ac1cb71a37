// SPDX-License-Identifier: MIT
// libcurl's multi-socket interface on an Asio event loop.
#include "http/engine.hpp"

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <utility>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

namespace agentflow::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

void initialise_libcurl() {
  static const bool done = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  if (!done) throw http_error(errc::http_bad_request, "libcurl could not be initialised");
}

/// One of libcurl's sockets. It belongs to libcurl: we wait on it, and let go of it unclosed.
class Watch {
 public:
  Watch(asio::io_context& io, curl_socket_t fd) : descriptor(io, fd) {}
  ~Watch() { let_go(); }
  void let_go() noexcept {
    if (descriptor.is_open()) descriptor.release();
  }
  asio::posix::stream_descriptor descriptor;
  int wanted = 0;                         // CURL_POLL_...
  bool reading = false, writing = false;  // under way
};

}  // namespace

class Engine::Loop : public std::enable_shared_from_this<Loop> {
 public:
  Loop() : multi_(curl_multi_init()), timer_(io_), guard_(io_.get_executor()) {
    if (multi_ == nullptr) throw std::bad_alloc();
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Loop::on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Loop::on_timer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  }
  ~Loop() {
    for (auto& [easy, transfer] : transfers_) {
      curl_multi_remove_handle(multi_, easy);
      transfer->idle_timer.reset();  // it is one of io_, and a reader may keep the transfer for longer
      transfer->release();
    }
    transfers_.clear();
    // Closing what is pooled: neither sockets nor timers matter any more.
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, nullptr);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, nullptr);
    watches_.clear();
    curl_multi_cleanup(multi_);
  }

  void run() { io_.run(); }
  void stop() { io_.stop(); }
  template <class F>
  void post(F&& fn) {
    asio::post(io_, std::forward<F>(fn));
  }

  void add(const std::shared_ptr<Transfer>& t) {
    try {
      t->prepare(environment_);
      const CURLMcode rc = curl_multi_add_handle(multi_, t->handle());
      if (rc != CURLM_OK) return t->fail(errc::http_bad_request, curl_multi_strerror(rc));
      transfers_.emplace(t->handle(), t);
      watch_idle(t);
    } catch (const std::exception& e) {
      t->fail(errc::http_bad_request, e.what());
    }
  }

  void remove(const std::shared_ptr<Transfer>& t) {
    const auto at = transfers_.find(t->handle());
    if (at == transfers_.end()) return;
    const auto keep = at->second;
    transfers_.erase(at);
    t->idle_timer.reset();
    curl_multi_remove_handle(multi_, t->handle());
    t->release();
  }

  void resume(const std::shared_ptr<Transfer>& t) {
    if (!transfers_.contains(t->handle())) return;
    t->last_activity = steady_clock::now();
    curl_easy_pause(t->handle(), CURLPAUSE_CONT);
    collect();
  }

  void leave(const std::shared_ptr<Transfer>& t) {
    t->discard();
    t->idle_limit = milliseconds(0);
    resume(t);
    if (!transfers_.contains(t->handle())) return;
    t->idle_timer = std::make_unique<asio::steady_timer>(io_, milliseconds(1000));
    t->idle_timer->async_wait([this, weak = std::weak_ptr<Transfer>(t)](std::error_code ec) {
      if (const auto alive = weak.lock(); alive && !ec) remove(alive);
    });
  }

 private:
  // No exception may cross libcurl; after -1 it does nothing any more, and act() gives up.
  template <class F>
  static int guarded(F&& fn) noexcept {
    try {
      fn();
      return 0;
    } catch (const std::exception&) {
      return -1;
    }
  }
  static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) {
    return guarded([=] { static_cast<Loop*>(self)->socket(fd, what); });
  }
  static int on_timer(CURLM*, long ms, void* self) {
    return guarded([=] { static_cast<Loop*>(self)->set_timer(ms); });
  }

  void socket(curl_socket_t fd, int what) {
    if (what == CURL_POLL_REMOVE) {
      const auto at = watches_.find(fd);
      if (at == watches_.end()) return;
      at->second->let_go();
      watches_.erase(at);
      return;
    }
    auto& watch = watches_[fd];
    if (!watch) watch = std::make_shared<Watch>(io_, fd);
    watch->wanted = what;
    arm(watch, fd);
  }

  void arm(const std::shared_ptr<Watch>& watch, curl_socket_t fd) {
    if ((watch->wanted & CURL_POLL_IN) != 0 && !std::exchange(watch->reading, true))
      watch->descriptor.async_wait(asio::posix::stream_descriptor::wait_read, [this, watch, fd](std::error_code ec) {
        watch->reading = false;
        ready(watch, fd, ec, CURL_CSELECT_IN);
      });
    if ((watch->wanted & CURL_POLL_OUT) != 0 && !std::exchange(watch->writing, true))
      watch->descriptor.async_wait(asio::posix::stream_descriptor::wait_write, [this, watch, fd](std::error_code ec) {
        watch->writing = false;
        ready(watch, fd, ec, CURL_CSELECT_OUT);
      });
  }

  void ready(const std::shared_ptr<Watch>& watch, curl_socket_t fd, std::error_code ec, int mask) {
    // Its number may belong to another socket by now.
    if (!watch->descriptor.is_open() || ec == asio::error::operation_aborted) return;
    const int wanted = mask == CURL_CSELECT_IN ? CURL_POLL_IN : CURL_POLL_OUT;
    if ((watch->wanted & wanted) != 0) act(fd, ec ? mask | CURL_CSELECT_ERR : mask);
    if (watch->descriptor.is_open()) arm(watch, fd);
  }

  void set_timer(long ms) {
    ++timer_turn_;
    timer_.cancel();
    if (ms < 0) return;
    // At once is what libcurl asks for most, and a timer takes three calls of the kernel.
    if (ms == 0)
      return asio::post(io_, [this, turn = timer_turn_] {
        if (turn == timer_turn_) act(CURL_SOCKET_TIMEOUT, 0);
      });
    timer_.expires_after(milliseconds(ms));
    timer_.async_wait([this](std::error_code ec) {
      if (!ec) act(CURL_SOCKET_TIMEOUT, 0);
    });
  }

  void act(curl_socket_t fd, int mask) {
    int running = 0;
    const CURLMcode rc = curl_multi_socket_action(multi_, fd, mask, &running);
    collect();
    if (rc != CURLM_OK) give_up(rc);
  }

  void give_up(CURLMcode why) {
    while (!transfers_.empty()) {
      const auto transfer = transfers_.begin()->second;
      remove(transfer);
      transfer->fail(errc::http_transport, curl_multi_strerror(why));
    }
  }

  /// Ends the exchanges that libcurl is done with.
  void collect() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      const auto at = transfers_.find(message->easy_handle);
      if (at == transfers_.end()) continue;
      const auto transfer = at->second;
      remove(transfer);
      transfer->finish(code);
    }
  }

  /// Looks again when the limit can have passed at the earliest, not at every byte.
  void watch_idle(const std::shared_ptr<Transfer>& t) {
    if (t->idle_limit <= milliseconds(0)) return;
    if (!t->idle_timer) t->idle_timer = std::make_unique<asio::steady_timer>(io_);
    t->idle_timer->expires_at(t->last_activity + t->idle_limit);
    t->idle_timer->async_wait([this, weak = std::weak_ptr<Transfer>(t)](std::error_code ec) {
      const auto alive = weak.lock();
      if (!alive || ec) return;
      // When this thread had to wait for a processor, bytes may have come: what is ready goes first.
      asio::post(io_, [this, alive] { check_idle(alive); });
    });
  }

  void check_idle(const std::shared_ptr<Transfer>& t) {
    if (!transfers_.contains(t->handle())) return;
    if (t->paused()) t->last_activity = steady_clock::now();
    if (steady_clock::now() < t->last_activity + t->idle_limit) return watch_idle(t);
    remove(t);
    t->fail(errc::http_timeout, "no byte came for " + std::to_string(t->idle_limit.count()) + " ms (the idle timeout)");
  }

  Environment environment_;
  asio::io_context io_{1};
  CURLM* multi_;
  asio::steady_timer timer_;
  std::uint64_t timer_turn_ = 0;
  asio::executor_work_guard<asio::io_context::executor_type> guard_;
  std::map<CURL*, std::shared_ptr<Transfer>> transfers_;
  std::map<curl_socket_t, std::shared_ptr<Watch>> watches_;
};

Engine::Engine(ClientOptions options) : options_(std::move(options)) {
  initialise_libcurl();
  struct stat info;
  if (!options_.ca_file().empty() && ::stat(options_.ca_file().c_str(), &info) != 0)
    throw http_error(errc::http_bad_request, "ClientOptions::ca_file: there is no file " + options_.ca_file());
  loop_ = std::make_shared<Loop>();
  thread_ = std::thread([loop = loop_] { loop->run(); });
}

Engine::~Engine() {
  loop_->stop();
  // A reader can be destroyed anywhere, even on this thread.
  if (thread_.get_id() == std::this_thread::get_id())
    thread_.detach();
  else
    thread_.join();
}

std::shared_ptr<Transfer> Engine::begin(Request request) {
  auto transfer = std::make_shared<Transfer>(std::move(request), options_);
  if (!transfer->failed()) loop_->post([loop = loop_.get(), transfer] { loop->add(transfer); });
  return transfer;
}

void Engine::abort(std::shared_ptr<Transfer> transfer) {
  loop_->post([loop = loop_.get(), t = std::move(transfer)] { loop->remove(t); });
}
void Engine::resume(std::shared_ptr<Transfer> transfer) {
  loop_->post([loop = loop_.get(), t = std::move(transfer)] { loop->resume(t); });
}
void Engine::leave(std::shared_ptr<Transfer> transfer) {
  loop_->post([loop = loop_.get(), t = std::move(transfer)] { loop->leave(t); });
}

}  // namespace agentflow::http

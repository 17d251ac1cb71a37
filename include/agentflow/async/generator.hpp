// SPDX-License-Identifier: MIT
// Generator<T>: a coroutine that gives values one by one, and may await in between.
#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/this_coro.hpp>

#include <agentflow/core/config.hpp>
#include <agentflow/core/error.hpp>

namespace agentflow {

namespace detail {

template <class T>
struct IsAwaitable : std::false_type {};
template <class T>
struct IsAwaitable<asio::awaitable<T>> : std::true_type {};

/// What the body of a generator awaits. The body cannot await it by itself, not being one of Asio's coroutines; so
/// `next()`, which is one, does it for the body. Cancellation and executors are thereby those of the consumer.
class GeneratorWait {
 public:
  virtual asio::awaitable<void> perform() = 0;
  void fail(std::exception_ptr e) noexcept { failure_ = std::move(e); }

 protected:
  ~GeneratorWait() = default;
  std::exception_ptr failure_;
};

/// The part of a generator's promise that does not depend on its values.
class GeneratorPromise {
 public:
  std::suspend_always initial_suspend() const noexcept { return {}; }
  std::suspend_always final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { failure = std::current_exception(); }
  void return_void() const noexcept {}

  template <class U>
  class Awaiter final : public GeneratorWait {
   public:
    Awaiter(GeneratorPromise& promise, asio::awaitable<U> work) : promise_(promise), work_(std::move(work)) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) noexcept { promise_.wait = this; }
    U await_resume() {
      if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
      if constexpr (!std::is_void_v<U>) return std::move(*value_);
    }
    asio::awaitable<void> perform() override {
      if constexpr (std::is_void_v<U>)
        return std::move(work_);
      else
        return keep(*this);
    }

   private:
    static asio::awaitable<void> keep(Awaiter& self) {
      U value = co_await std::move(self.work_);
      self.value_.emplace(std::move(value));
    }
    GeneratorPromise& promise_;
    asio::awaitable<U> work_;
    std::optional<std::conditional_t<std::is_void_v<U>, char, U>> value_;
  };

  template <class V>
  class Ready {
   public:
    explicit Ready(V value) : value_(std::move(value)) {}
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    V await_resume() { return std::move(value_); }

   private:
    V value_;
  };

  template <class U>
  Awaiter<U> await_transform(asio::awaitable<U> work) {
    return Awaiter<U>(*this, std::move(work));
  }
  Ready<asio::any_io_executor> await_transform(asio::this_coro::executor_t) {
    return Ready<asio::any_io_executor>(executor);
  }
  Ready<asio::cancellation_state> await_transform(asio::this_coro::cancellation_state_t) {
    return Ready<asio::cancellation_state>(cancellation);
  }
  template <class Other>
  void await_transform(Other&&) {
    static_assert(IsAwaitable<Other>::value,
                  "agentflow: a Generator awaits asio::awaitable<T> (with Asio's own operations: pass "
                  "asio::use_awaitable), asio::this_coro::executor and asio::this_coro::cancellation_state");
  }

  GeneratorWait* wait = nullptr;
  std::exception_ptr failure;
  asio::any_io_executor executor;
  asio::cancellation_state cancellation;
};

}  // namespace detail

/// A coroutine that gives values one by one with `co_yield`, and may `co_await` any `asio::awaitable` in between.
///
/// ```cpp
/// af::Generator<std::string> words(af::CompiledGraph<af::AgentState> app, std::string question) {
///   auto stream = app.astream(question);
///   while (auto chunk = co_await stream.next())
///     if (chunk->content_type() == af::content_type::message) co_yield std::string(chunk->content());
/// }
/// auto generator = words(app, "Hello");
/// while (auto word = co_await generator.next()) std::cout << *word;
/// ```
/// It runs only inside `next()`, as a part of the coroutine that awaits it: on its executor, and cancelled with it. So
/// the consumer sets the pace, nothing is computed that nobody asks for, and between two values no work is under way.
///
/// **Errors** What the body throws leaves `next()`; afterwards the generator is at its end.
/// **Cancellation** of the consumer ends what the body awaits; the body sees it as an exception.
/// **Lifetime** Dropping a generator destroys its body where it stands, and with it the stream, file or connection that
/// it reads from; a run is cancelled thereby. Parameters are kept in the body: take them by value. On g++ 12 the rule
/// for temporaries in expressions with `co_await` holds for `co_yield` too.
/// **Thread safety** Distinct objects: safe. Shared objects: unsafe; one `next()` at a time, else `errc::run_busy`.
template <class T>
class [[nodiscard]] Generator {
 public:
  class promise_type : public detail::GeneratorPromise {
   public:
    Generator get_return_object() { return Generator(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always yield_value(T v) {
      value.emplace(std::move(v));
      return {};
    }
    std::optional<T> value;
  };

  Generator() = default;
  Generator(Generator&&) noexcept = default;
  Generator& operator=(Generator&&) noexcept = default;

  /// The next value; nothing at the end, and ever after.
  asio::awaitable<std::optional<T>> next() { return advance(body_); }

 private:
  struct Body {
    explicit Body(std::coroutine_handle<promise_type> h) noexcept : handle(h) {}
    Body(const Body&) = delete;
    Body& operator=(const Body&) = delete;
    ~Body() { handle.destroy(); }
    std::coroutine_handle<promise_type> handle;
    bool busy = false;
    bool ended = false;
  };
  struct Turn {
    explicit Turn(Body& b) : body(b) {
      if (std::exchange(body.busy, true))
        throw error(errc::run_busy, "another coroutine awaits next() of this generator already");
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
      promise_type& promise = body.handle.promise();
      promise.executor = {};  // it must not outlive its context
      body.busy = false;
      body.ended = promise.wait != nullptr;  // the loop was destroyed under what it awaited
    }
    Body& body;
  };

  explicit Generator(std::coroutine_handle<promise_type> h) : body_(std::make_shared<Body>(h)) {}

  /// Owns the body too: it may be dropped while another coroutine is in `next()`.
  static asio::awaitable<std::optional<T>> advance(std::shared_ptr<Body> body) {
    std::optional<T> value;
    if (!body || body->ended || body->handle.done()) co_return value;
    const Turn turn(*body);
    promise_type& promise = body->handle.promise();
    promise.executor = co_await asio::this_coro::executor;
    for (;;) {
      promise.cancellation = co_await asio::this_coro::cancellation_state;
      body->handle.resume();
      if (promise.wait == nullptr) break;
      std::exception_ptr failure;
      try {
        co_await promise.wait->perform();
      } catch (...) {
        failure = std::current_exception();
      }
      detail::GeneratorWait* done = std::exchange(promise.wait, nullptr);
      if (failure) done->fail(std::move(failure));
    }
    if (promise.failure) std::rethrow_exception(std::exchange(promise.failure, nullptr));
    if (promise.value) {
      value = std::move(promise.value);
      promise.value.reset();
    }
    co_return value;
  }

  std::shared_ptr<Body> body_;
};

}  // namespace agentflow

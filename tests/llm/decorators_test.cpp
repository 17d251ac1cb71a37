// SPDX-License-Identifier: MIT
// Retries, fallbacks and budgets, in virtual time and without a network.
#include <agentflow/llm/retry.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/llm/budget.hpp>
#include <agentflow/llm/fallback.hpp>
#include <agentflow/testing/scripted_model.hpp>
#include <agentflow/testing/virtual_time.hpp>

#include "support/catch.hpp"

namespace af = agentflow;
namespace llm = agentflow::llm;
using namespace std::chrono_literals;
using af::errc;
using af::testing::ScriptedModel;

namespace {

af::model_error broken(errc code, std::optional<std::chrono::nanoseconds> retry_after = {}) {
  af::ModelErrorInfo info;
  info.retry_after = retry_after;
  return af::model_error(code, "broken", info);
}

af::ChatResponse said(std::string text, af::TokenUsage usage = af::TokenUsage(10, 5)) {
  return af::ChatResponse(af::Message::assistant(std::move(text)).with_usage(usage));
}

asio::awaitable<std::string> ask(std::shared_ptr<af::ChatModel> model, bool stream, af::ChatRequest request) {
  if (!stream) {
    auto call = model->complete(std::move(request));
    const auto answer = co_await std::move(call);
    co_return answer.text();
  }
  const auto s = model->stream(std::move(request));
  std::string text;
  for (;;) {
    auto next = s->next();
    const auto event = co_await std::move(next);
    if (!event) break;
    text += event->text;
  }
  CHECK(s->response().text() == text);
  CHECK(s->response().message.id() == s->message_id());
  co_return text;
}

class Bench {
 public:
  std::string ask(std::shared_ptr<af::ChatModel> m, bool stream = false) {
    return loop.run(::ask(std::move(m), stream, af::ChatRequest("?")));
  }
  errc failure(std::shared_ptr<af::ChatModel> m, bool stream = false, af::ChatRequest request = af::ChatRequest("?")) {
    try {
      loop.run(::ask(std::move(m), stream, std::move(request)));
    } catch (const af::model_error& e) {
      last = std::make_shared<af::model_error>(e);
      return e.code();
    }
    FAIL("no error");
    return errc::internal;
  }
  llm::RetryOptions options() { return llm::RetryOptions().clock(loop.clock()); }

  af::testing::VirtualLoop loop;
  std::shared_ptr<ScriptedModel> model = std::make_shared<ScriptedModel>();
  std::shared_ptr<af::model_error> last;
};

}  // namespace

TEST_CASE("Failures that pass are repeated, with longer and longer waits", "[llm]") {
  for (const bool stream : {false, true}) {
    Bench b;
    for (int i = 0; i < 4; ++i) b.model->fail(broken(errc::model_overloaded));
    b.model->reply("at last");
    std::vector<double> waits;
    const auto model = llm::with_retries(
        b.model,
        b.options().retries(4).on_retry([&](const af::model_error& e, int attempt, std::chrono::nanoseconds wait) {
          CHECK(e.code() == errc::model_overloaded);
          CHECK(attempt == static_cast<int>(waits.size()) + 1);
          waits.push_back(std::chrono::duration<double>(wait).count());
        }));
    CHECK(b.ask(model, stream) == "at last");
    REQUIRE(waits.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) {
      const double longest = 0.5 * static_cast<double>(1 << i);
      CHECK(waits[i] <= longest);
      CHECK(waits[i] >= 0.75 * longest);
    }
  }
}

TEST_CASE("The provider's wish counts, up to a cap", "[llm]") {
  for (const bool stream : {false, true}) {
    Bench b;
    b.model->fail(broken(errc::model_rate_limited, 7s)).reply("ok");
    CHECK(b.ask(llm::with_retries(b.model, b.options()), stream) == "ok");
    CHECK(b.loop.clock()->passed() == 7s);
    b.model->fail(broken(errc::model_rate_limited, 61s));
    CHECK(b.failure(llm::with_retries(b.model, b.options()), stream) == errc::model_rate_limited);
    CHECK(b.last->info().retry_after == 61s);
    CHECK(b.loop.clock()->passed() == 7s);
  }
}

TEST_CASE("What does not pass is not repeated, nor more often than allowed", "[llm]") {
  for (const bool stream : {false, true}) {
    Bench b;
    for (const errc code : {errc::model_auth, errc::model_quota, errc::model_bad_request}) {
      b.model->fail(broken(code));
      CHECK(b.failure(llm::with_retries(b.model, b.options()), stream) == code);
    }
    CHECK(b.model->requests().size() == 3);
    for (int i = 0; i < 3; ++i) b.model->fail(broken(errc::model_transport));
    CHECK(b.failure(llm::with_retries(b.model, b.options()), stream) == errc::model_transport);
    CHECK(b.model->requests().size() == 6);
    af::ModelErrorInfo info;
    info.should_retry = false;
    b.model->fail(af::model_error(errc::model_overloaded, "no", info));
    CHECK(b.failure(llm::with_retries(b.model, b.options()), stream) == errc::model_overloaded);
    CHECK(b.model->requests().size() == 7);
  }
}

TEST_CASE("A stream is not begun again once a piece of it has reached the caller", "[llm]") {
  Bench b;
  b.model->fail(broken(errc::model_transport), said("one two three"), 1).reply("never");
  CHECK(b.failure(llm::with_retries(b.model, b.options()), true) == errc::model_transport);
  CHECK(b.last->info().partial.text() == "one");
  CHECK(b.model->left() == 1);
  std::vector<std::shared_ptr<af::ChatModel>> models = {b.model, std::make_shared<ScriptedModel>()};
  b.model->reply("x");
  CHECK(b.ask(llm::with_fallbacks(models), true) == "never");
  b.model->fail(broken(errc::model_transport), said("one two three"), 1);
  CHECK(b.ask(llm::with_fallbacks(models), true) == "x");
  CHECK(b.failure(llm::with_fallbacks(models), true) == errc::model_transport);
}

TEST_CASE("What a stream says of its cost before it breaks is no reason not to begin again", "[llm]") {
  Bench b;
  const af::ChatResponse nothing(
      af::Message(af::Role::assistant, std::vector<af::ContentBlock>()).with_usage(af::TokenUsage(3, 0)));
  b.model->fail(broken(errc::model_overloaded), nothing, 1).reply(said("one two"));
  CHECK(b.ask(llm::with_retries(b.model, b.options()), true) == "one two");
  b.model->fail(broken(errc::model_overloaded), nothing, 1);
  const auto second = std::make_shared<ScriptedModel>();
  second->reply(said("three"));
  const auto budget = std::make_shared<llm::Budget>();
  CHECK(b.ask(llm::with_budget(llm::with_fallbacks({b.model, second}), budget), true) == "three");
  CHECK(budget->used() == af::TokenUsage(10, 5));
}

TEST_CASE("A request's timeout limits attempts and waits together", "[llm]") {
  Bench b;
  b.model->fail(broken(errc::model_rate_limited, 4s)).fail(broken(errc::model_rate_limited, 4s)).reply("never");
  af::ChatRequest request("?");
  request.timeout = 5s;
  CHECK(b.failure(llm::with_retries(b.model, b.options()), false, request) == errc::model_rate_limited);
  CHECK(b.loop.clock()->passed() == 4s);
  CHECK(b.model->requests()[1].timeout == std::chrono::nanoseconds(1s));
}

TEST_CASE("A timeout of for ever is none", "[llm]") {
  for (const bool stream : {false, true}) {
    Bench b;
    b.model->fail(broken(errc::model_rate_limited, 4s)).reply("late");
    af::ChatRequest request("?");
    request.timeout = std::chrono::nanoseconds::max();
    CHECK(b.loop.run(ask(llm::with_retries(b.model, b.options()), stream, request)) == "late");
    CHECK(b.loop.clock()->passed() == 4s);
    CHECK(b.model->requests()[1].timeout > 24h * 365);
  }
}

TEST_CASE("A wait can be cancelled", "[llm]") {
  Bench b;
  b.model->fail(broken(errc::model_rate_limited, 30s)).reply("never");
  const auto model = llm::with_retries(b.model, b.options());
  asio::cancellation_signal signal;
  b.loop.after(1, [&] { signal.emit(asio::cancellation_type::terminal); });
  CHECK_THROWS_AS(b.loop.run(ask(model, true, af::ChatRequest("?")), signal.slot()), af::cancelled_error);
  CHECK(b.model->left() == 1);
}

TEST_CASE("When a model fails the next is asked", "[llm]") {
  for (const bool stream : {false, true}) {
    Bench b;
    const auto second = std::make_shared<ScriptedModel>(), third = std::make_shared<ScriptedModel>();
    const auto model = llm::with_fallbacks({b.model, second, third});
    CHECK(model->name() == "scripted, else scripted, else scripted");
    b.model->fail(broken(errc::model_auth)).reply("first");
    second->fail(broken(errc::model_overloaded));
    third->reply("third");
    af::ChatRequest request("?");
    request.model = "special";
    CHECK(b.loop.run(ask(model, stream, request)) == "third");
    CHECK(b.model->requests()[0].model == "special");
    CHECK(third->requests()[0].model.empty());
    CHECK(b.ask(model, stream) == "first");
    b.model->fail(broken(errc::model_auth));
    second->fail(broken(errc::model_timeout));
    third->fail(broken(errc::model_quota));
    CHECK(b.failure(model, stream) == errc::model_quota);
  }
  CHECK_THROWS_AS(llm::with_fallbacks({}), af::config_error);
  CHECK_THROWS_AS(llm::with_fallbacks({nullptr}), af::config_error);
}

TEST_CASE("A budget lets the call through that passes it, and no other", "[llm]") {
  for (const bool stream : {false, true}) {
    Bench b;
    const auto budget = std::make_shared<llm::Budget>(25);
    const auto model = llm::with_budget(b.model, budget, llm::Price(2, 10));
    b.model->reply(said("a")).reply(said("b")).reply(said("c"));
    CHECK(b.ask(model, stream) == "a");
    CHECK(budget->used() == af::TokenUsage(10, 5));
    CHECK(budget->cost() == Approx(10 * 2e-6 + 5 * 10e-6));
    CHECK(b.ask(model, stream) == "b");
    CHECK(b.failure(model, stream) == errc::model_budget);
    CHECK(b.last->message() == "the budget of 25 tokens is used up (30 in 2 calls)");
    CHECK(b.model->left() == 1);
    const auto backup = std::make_shared<ScriptedModel>();
    CHECK(b.failure(llm::with_fallbacks({model, backup}), stream) == errc::model_budget);
    CHECK(backup->requests().empty());
  }
}

TEST_CASE("A budget of money counts what is cached at its own price", "[llm]") {
  CHECK(llm::Price(2, 10, 0.5).of(af::TokenUsage(1000, 100, 400)) == Approx((600 * 2 + 400 * 0.5 + 100 * 10) / 1e6));
  Bench b;
  const auto budget = std::make_shared<llm::Budget>(std::nullopt, 0.001);
  const auto model = llm::with_budget(b.model, budget, llm::Price(100, 0));
  b.model->reply(said("a"));
  CHECK(b.ask(model) == "a");
  CHECK(b.failure(model) == errc::model_budget);
}

TEST_CASE("Answers whose cost nobody tells are calls all the same", "[llm]") {
  for (const bool stream : {false, true}) {
    Bench b;
    const auto budget = std::make_shared<llm::Budget>();
    b.model->reply(af::ChatResponse(af::Message::assistant("a"))).fail(broken(errc::model_transport));
    CHECK(b.ask(llm::with_budget(b.model, budget), stream) == "a");
    CHECK(b.failure(llm::with_budget(b.model, budget), stream) == errc::model_transport);
    CHECK(budget->calls() == 1);
  }
}

TEST_CASE("A stream that is given up is charged for what it said it cost", "[llm]") {
  Bench b;
  const auto budget = std::make_shared<llm::Budget>();
  const auto model = llm::with_budget(b.model, budget);
  b.model->play({af::ChatEvent::usage_so_far(af::TokenUsage(7, 1)), af::ChatEvent::text_piece(0, "x"),
                 af::ChatEvent::usage_so_far(af::TokenUsage(7, 2))});
  const auto some = [](std::shared_ptr<af::ChatModel> m) -> asio::awaitable<int> {
    const auto stream = m->stream(af::ChatRequest("?"));
    for (int i = 0; i < 2; ++i) {
      auto next = stream->next();
      co_await std::move(next);
    }
    co_return 0;
  };
  b.loop.run(some(model));
  CHECK(budget->used() == af::TokenUsage(7, 1));
  CHECK(budget->calls() == 1);
}

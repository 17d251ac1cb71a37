// SPDX-License-Identifier: MIT
// Random graphs against an interpreter: same final state and steps, whatever the order, the executor and the call.
#include <agentflow/typed/state_graph.hpp>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include <agentflow/testing/virtual_time.hpp>

#include "support/catch.hpp"
#include "support/instant_clock.hpp"
#include "support/random_graph.hpp"

namespace af = agentflow;
using random_graph::Book;
using random_graph::Builder;
using random_graph::Expected;
using random_graph::interpret;
using random_graph::text;

namespace {

/// Names what went wrong, however deep in parts it did.
std::string verdict(const std::exception& e) {
  if (const auto* x = dynamic_cast<const af::error*>(&e)) {
    if (x->code() == af::errc::update_conflict) return "conflict";
    if (x->code() == af::errc::routing_failed) return "starved";
  }
  try {
    std::rethrow_if_nested(e);
  } catch (const std::exception& inner) {
    return verdict(inner);
  }
  return e.what() == std::string("fails for good") ? "failed" : e.what();
}

Expected outcome(const std::function<af::RunResult<Book>()>& run) {
  try {
    const auto result = run();
    return Expected{text(result.state), result.steps()};
  } catch (const af::error& e) {
    return Expected{verdict(e)};
  }
}

asio::awaitable<af::RunResult<Book>> streamed(af::Run<Book> run) {
  for (;;) {
    auto next = run.next();
    const std::optional<af::Chunk> chunk = co_await std::move(next);
    if (!chunk) break;
  }
  auto end = run.result();
  auto result = co_await std::move(end);
  co_return result;
}

std::uint64_t number(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

TEST_CASE("random graphs do what the interpreter says", "[random]") {
  const auto trials = number("AGENTFLOW_TRIALS", 2000);
  const auto only = number("AGENTFLOW_SEED", 0);
  std::uint64_t endless = 0, wrong_ends = 0, steps = 0;
  for (std::uint64_t seed = only != 0 ? only : 1; seed <= (only != 0 ? only : trials); ++seed) {
    INFO("replay with AGENTFLOW_SEED=" << seed);
    std::mt19937_64 random(seed);
    const auto program = oracle::Generator(random, "", 0, 3 + static_cast<int>(random() % 10)).make();
    const auto expected = interpret(*program);
    if (!expected) {
      ++endless;
      continue;
    }
    wrong_ends += expected->steps == 0;
    steps += expected->steps;
    auto check = [&](const char* how, const Expected& got) {
      INFO(how);
      if (expected->wrong.empty())
        CHECK(got.state == expected->state);
      else
        CHECK(expected->wrong.count(got.state) == 1);
      CHECK(got.steps == expected->steps);
    };
    auto config = [&] {
      return af::RunConfig()
          .recursion_limit(oracle::Interpreter::max_steps)
          .shuffle(random())
          .max_concurrency(random() % 4);
    };

    const auto plain = Builder(*program, std::make_shared<InstantClock>(), false).compile();
    check("invoke", outcome([&] { return plain.invoke(Book(), config()); }));

    af::testing::VirtualLoop loop;
    const auto app = Builder(*program, loop.clock(), true).compile();
    check("ainvoke", outcome([&] { return loop.run(app.ainvoke(Book(), config())); }));
    check("astream", outcome([&] {
            auto run = app.astream(Book(), config().stream(af::stream_mode::all).stream_capacity(1 + random() % 8));
            return loop.run(streamed(std::move(run)));
          }));
    CHECK(loop.clock()->pending() == 0);
  }
  WARN(trials << " programs, " << steps << " steps; " << wrong_ends << " that fail as they should, " << endless
              << " too long");
  CHECK(endless * 10 < trials);
}

// SPDX-License-Identifier: MIT
// Streams: what each mode delivers and in which order, tokens, back-pressure, early ends, errors.
#include <agentflow/typed/run.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using af::NodeContext;
using af::RunConfig;
using af::stream_mode;
using Catch::Matchers::Contains;

namespace {

struct Talk {
  af::List<af::Message> messages;
  int n = 0;
};
AGENTFLOW_STATE(Talk, (messages, af::add_messages), (n, af::sum))

using Graph = af::StateGraph<Talk>;
using Update = af::Update<Talk>;
using App = af::CompiledGraph<Talk>;

af::Message say(std::string text, std::string id) {
  return af::Message::assistant(std::move(text)).with_id(std::move(id)).with_timestamp({});
}
const af::Message question = af::Message::user("hi").with_id("q").with_timestamp({});

/// START -> a -> {b, c} -> END; b is a coroutine; each answers, and writes data.
App example() {
  Graph g;
  g.add_node("a", [](const Talk&, NodeContext& ctx) {
    ctx.write(af::JsonValue::parse(R"({"at":"a"})"));
    return Update().write<&Talk::n>(1);
  });
  g.add_node("b", [](const Talk&, NodeContext& ctx) -> asio::awaitable<af::Message> {
    co_await ctx.emit_token("from ", "id-b");
    co_await ctx.emit_token("b", "id-b");
    co_return say("from b", "id-b");
  });
  g.add_node("c", [](const Talk&) { return say("from c", "id-c"); });
  return g.set_entry_point("a")
      .add_edge("a", "b")
      .add_edge("a", "c")
      .add_edge("b", "END")
      .add_edge("c", "END")
      .compile();
}

std::string line(const af::Chunk& c) {
  return std::string(af::to_string(c.kind())) + "|" + c.node() + "|" + std::to_string(c.step()) + "|" + c.content();
}
/// The chunks of a run, read by a plain thread and by a coroutine: they must be the same.
std::vector<std::string> chunks(const App& app, stream_mode mode) {
  std::vector<std::string> plain;
  for (const af::Chunk& chunk : app.stream(question, RunConfig().stream(mode))) plain.push_back(line(chunk));
  const auto awaited = on_loop([&]() -> asio::awaitable<std::vector<std::string>> {
    std::vector<std::string> lines;
    auto run = app.astream(question, RunConfig().stream(mode));
    for (;;) {
      const auto chunk = co_await run.next();
      if (!chunk) break;
      lines.push_back(line(*chunk));
    }
    co_return lines;
  });
  CHECK(awaited == plain);
  return plain;
}
using Lines = std::vector<std::string>;

/// One node that emits 0, 1, ... `count` - 1 and writes to `emitted` how many it has.
Graph counter(int count, int& emitted) {
  Graph g;
  g.add_node("count", [count, &emitted](const Talk&, NodeContext& ctx) -> asio::awaitable<void> {
    for (emitted = 0; emitted < count;) {
      auto data = af::JsonValue::parse(std::to_string(emitted));
      ++emitted;
      co_await ctx.emit(std::move(data));
    }
  });
  g.set_entry_point("count").add_edge("count", "END");
  return g;
}

}  // namespace

TEST_CASE("Each mode delivers what it says, in order", "[stream]") {
  const auto app = example();
  CHECK(chunks(app, stream_mode::messages) == Lines{"token|b|2|from ", "token|b|2|b", "message|c|2|from c"});
  CHECK(chunks(app, stream_mode::custom) == Lines{R"(custom|a|1|{"at":"a"})"});
  const auto updates = chunks(app, stream_mode::updates);
  REQUIRE(updates.size() == 3);
  CHECK(updates[0] == R"(update|a|1|{"n":1})");
  CHECK_THAT(updates[1], Contains("update|b|2|") && Contains("from b"));
  CHECK_THAT(updates[2], Contains("update|c|2|") && Contains("from c"));
  const auto values = chunks(app, stream_mode::values).size();
  CHECK(values == 2);
  const auto debug = chunks(app, stream_mode::debug);
  CHECK(debug == Lines{"run_start||0|run started", "step_start||1|step 1: 1 task", "node_start|a|1|", "node_end|a|1|",
                       "step_end||1|step 1: 1 task", "step_start||2|step 2: 2 tasks", "node_start|b|2|",
                       "node_end|b|2|", "node_start|c|2|", "node_end|c|2|", "step_end||2|step 2: 2 tasks",
                       "run_end||2|completed"});
  CHECK(chunks(app, stream_mode::messages | stream_mode::custom).size() == 4);
  CHECK(chunks(app, stream_mode::all).size() == 3 + 1 + 3 + 2 + 12);
}

TEST_CASE("The default modes are messages and updates; none delivers nothing", "[stream]") {
  const auto app = example();
  int messages = 0, updates = 0, others = 0;
  for (const auto& chunk : app.stream("hi")) {
    if (chunk.content_type() == af::content_type::message)
      ++messages;
    else if (chunk.kind() == af::chunk_kind::update)
      ++updates;
    else
      ++others;
  }
  CHECK(messages == 3);
  CHECK(updates == 3);
  CHECK(others == 0);
  CHECK(chunks(app, stream_mode::none).empty());
  CHECK(app.stream("hi", RunConfig().stream(stream_mode::none)).result()->n == 1);
}

TEST_CASE("A chunk is complete in itself", "[stream]") {
  std::vector<af::Chunk> kept;
  af::RunId run_id;
  const auto before = std::chrono::system_clock::now();
  {
    auto stream = example().stream("hi", RunConfig().thread_id("alice").stream(stream_mode::all));
    while (auto chunk = stream.next()) kept.push_back(std::move(*chunk));
    const auto result = stream.result();
    CHECK(result->messages.size() == 3);
    run_id = result.run_id();
  }
  const auto after = std::chrono::system_clock::now();
  auto last = before;
  for (const auto& c : kept) {
    CHECK(c.run_id() == run_id);
    CHECK(c.thread_id() == "alice");
    CHECK(c.path().empty());
    CHECK((last <= c.timestamp() && c.timestamp() <= after));
    last = c.timestamp();
    CHECK_NOTHROW(af::JsonValue::parse(c.to_json()));
    CHECK_THAT(c.to_json(), Contains("\"kind\":\"" + std::string(af::to_string(c.kind())) + '"') &&
                                Contains(run_id.to_string()) && Contains("\"thread_id\":\"alice\""));
    std::ostringstream out;
    out << c;
    CHECK(out.str() == std::string(af::to_string(c.kind())) + " " + c.node() + ": " + c.content());
  }
  const auto find = [&](af::chunk_kind kind, const char* node) -> const af::Chunk& {
    return *std::find_if(kept.begin(), kept.end(), [&](const auto& c) { return c.kind() == kind && c.node() == node; });
  };
  CHECK(find(af::chunk_kind::token, "b").message_id() == "id-b");
  CHECK(find(af::chunk_kind::message, "c").message_id() == "id-c");
  CHECK(find(af::chunk_kind::message, "c").message().role() == af::Role::assistant);
  CHECK(find(af::chunk_kind::message, "c").task() == 1);
  CHECK(find(af::chunk_kind::custom, "a").data().dump() == R"({"at":"a"})");
  CHECK(find(af::chunk_kind::custom, "a").content_type() == af::content_type::data);
  CHECK(find(af::chunk_kind::node_start, "a").content_type() == af::content_type::event);
  const auto& update = find(af::chunk_kind::update, "a");
  REQUIRE(update.update<Talk>() != nullptr);
  CHECK(*update.update<Talk>()->delta<&Talk::n>() == 1);
  CHECK(update.update<af::AgentState>() == nullptr);
  CHECK(update.state<Talk>() == nullptr);
  const auto& values = find(af::chunk_kind::values, "");
  REQUIRE(values.state<Talk>() != nullptr);
  CHECK(values.state<Talk>()->n == 1);
  CHECK(values.state<Talk>()->messages.size() == 1);  // as it was then
  CHECK(values.content_type() == af::content_type::state);
}

TEST_CASE("Plain functions and blocking nodes write tokens too, and no message is delivered twice", "[stream]") {
  const auto talk = [](const Talk&, NodeContext& ctx) {
    CHECK(ctx.listens(stream_mode::messages));
    CHECK_FALSE(ctx.listens(stream_mode::debug));
    ctx.write_token("one ", ctx.node());
    ctx.write_token("two", ctx.node());
    ctx.write_token("anonymous");
    return std::vector{say("one two", ctx.node()), say("whole", ctx.node() + "2")};
  };
  Graph g;
  g.add_node("sync", talk).add_node("blocking", af::blocking(talk));
  g.set_entry_point("sync").add_edge("sync", "blocking").add_edge("blocking", "END");
  CHECK(chunks(g.compile(), stream_mode::messages) == Lines{"token|sync|1|one ", "token|sync|1|two",
                                                            "token|sync|1|anonymous", "message|sync|1|whole",
                                                            "token|blocking|2|one ", "token|blocking|2|two",
                                                            "token|blocking|2|anonymous", "message|blocking|2|whole"});
}

TEST_CASE("Nobody listens to a run without a stream", "[stream]") {
  Graph g;
  g.add_node("n", [](const Talk&, NodeContext& ctx) {
    CHECK_FALSE(ctx.listens(stream_mode::all));
    ctx.write_token("lost");
    ctx.write(af::JsonValue());
  });
  g.set_entry_point("n").add_edge("n", "END");
  CHECK(g.compile().invoke("hi").status() == af::run_status::completed);
}

TEST_CASE("A producer is never further ahead than the capacity", "[stream]") {
  for (const std::size_t capacity : {1u, 2u, 3u, 7u}) {
    int emitted = 0;
    const auto app = counter(50, emitted).compile();
    const auto config = RunConfig().stream(stream_mode::custom).stream_capacity(capacity);
    int read = 0;
    for (const auto& chunk : app.stream("hi", config)) {
      CHECK(chunk.content() == std::to_string(read));
      ++read;
      CHECK(emitted - read <= static_cast<int>(capacity));
    }
    CHECK(read == 50);
    on_loop([&]() -> asio::awaitable<void> {
      auto run = app.astream("hi", config);
      for (read = 0;; ++read) {
        const auto chunk = co_await run.next();
        if (!chunk) break;
        co_await give_way(20);  // a slow consumer: the node has all the time it needs to run away
        CHECK(emitted - (read + 1) <= static_cast<int>(capacity));
        if (read < 50 - static_cast<int>(capacity)) CHECK(emitted > read);
      }
      CHECK(read == 50);
    });
  }
}

TEST_CASE("Plain functions are held back between steps", "[stream]") {
  int ran = 0;
  Graph g;
  g.add_node("n", [&ran](const Talk&, NodeContext& ctx) {
    ++ran;
    for (int i = 0; i < 3; ++i) ctx.write(af::JsonValue());  // never waits
    return Update().write<&Talk::n>(1);
  });
  g.set_entry_point("n").add_conditional_edges("n", [](const Talk& s) { return s.n < 8 ? "n" : "END"; }, {"n", "END"});
  on_loop([&]() -> asio::awaitable<void> {
    auto run = g.compile().astream("hi", RunConfig().stream(stream_mode::custom).stream_capacity(2));
    for (int read = 0; read < 24; ++read) {
      const auto chunk = co_await run.next();
      REQUIRE(chunk.has_value());
      co_await give_way(20);
      CHECK(ran <= read / 3 + 2);
    }
  });
}

TEST_CASE("Everyone who waits for room gets it, whoever fills the queue meanwhile", "[stream]") {
  int emitted = 0;
  bool let_go = false;
  Graph g = counter(40, emitted);
  g.add_node("beside", [&](const Talk&, NodeContext& ctx) -> asio::awaitable<void> {
    while (!let_go) co_await give_way();
    ctx.write(af::JsonValue());  // does not wait
  });
  g.set_entry_point("beside").add_edge("beside", "END");
  on_loop([&]() -> asio::awaitable<void> {
    auto run = g.compile().astream("hi", RunConfig().stream(stream_mode::custom).stream_capacity(10));
    int read = 0;
    for (; read < 4; ++read) {
      const auto chunk = co_await run.next();
      co_await give_way(20);
    }
    CHECK(emitted >= 10);  // waits for room now
    let_go = true;
    co_await give_way(20);
    for (;; ++read) {
      const auto chunk = co_await run.next();
      if (!chunk) break;
    }
    CHECK(read == 41);
  });
}

TEST_CASE("Dropping a stream cancels its run, and waits for no one else", "[stream]") {
  int emitted = 0;
  const auto alive = std::make_shared<int>();
  Graph g = counter(1000, emitted);
  g.override_node("count", [&emitted, alive](const Talk&, NodeContext& ctx) -> asio::awaitable<void> {
    const auto held = alive;
    for (;; ++emitted) co_await ctx.emit(af::JsonValue());
  });
  const auto app = g.compile();
  const auto config = RunConfig().stream(stream_mode::custom).stream_capacity(2);
  SECTION("read by a plain thread") {
    for (const auto& chunk : app.stream("hi", config)) {
      if (chunk.step() == 1 && emitted >= 3) break;  // an early break ends it
    }
    CHECK(alive.use_count() == 2);  // ours and the callable's: nothing of the run is alive
    const int then = emitted;
    {
      auto never_started = app.stream("hi", config);
      auto moved = std::move(never_started);
    }
    CHECK(emitted == then);
  }
  SECTION("read by a coroutine") {
    on_loop([&]() -> asio::awaitable<void> {
      {
        auto run = app.astream("hi", config);
        const auto chunk = co_await run.next();
        CHECK(chunk.has_value());
      }
      co_await give_way(10);
      CHECK(alive.use_count() == 2);
      const auto never_started = app.astream("hi", config);
    });
    CHECK(emitted < 6);
  }
}

TEST_CASE("An error comes after the last chunk", "[stream]") {
  Graph g;
  g.add_node("good", [](const Talk&) { return Update().write<&Talk::n>(1); });
  g.add_node("bad", [](const Talk&, NodeContext& ctx) {
    ctx.write(af::JsonValue::parse("1"));
    throw std::runtime_error("broken");
  });
  g.set_entry_point("good").add_edge("good", "bad").add_edge("bad", "END");
  const auto app = g.compile();
  const auto config = RunConfig().stream(stream_mode::all);
  const auto expected = [](const Lines& lines) {
    REQUIRE(lines.size() >= 4);
    CHECK(lines[lines.size() - 3] == "custom|bad|2|1");
    CHECK_THAT(lines[lines.size() - 2], Contains("node_error|bad|2|") && Contains("broken"));
    CHECK_THAT(lines.back(), Contains("run_end||2|") && Contains("broken"));
  };
  Lines lines;
  auto stream = app.stream("hi", config);
  CHECK_THROWS_AS(
      [&] {
        while (auto chunk = stream.next()) lines.push_back(line(*chunk));
      }(),
      af::node_error);
  expected(lines);
  CHECK_THROWS_AS(stream.next(), af::node_error);  // and stays
  CHECK_THROWS_AS(stream.result(), af::node_error);
  const auto failed = on_loop([&]() -> asio::awaitable<bool> {
    lines.clear();
    auto run = app.astream("hi", config);
    try {
      for (;;) {
        const auto chunk = co_await run.next();
        if (!chunk) break;
        lines.push_back(line(*chunk));
      }
    } catch (const af::node_error&) {
      co_return true;
    }
    co_return false;
  });
  CHECK(failed);
  expected(lines);
}

TEST_CASE("A stream that is not read to its end still gives the result", "[stream]") {
  int emitted = 0;
  const auto app = counter(500, emitted).compile();
  auto stream = app.stream("hi", RunConfig().stream(stream_mode::custom).stream_capacity(1));
  CHECK(stream.next().has_value());
  CHECK(stream.result()->messages.size() == 1);
  CHECK(emitted == 500);
  on_loop([&]() -> asio::awaitable<void> {
    auto run = app.astream("hi", RunConfig().stream(stream_mode::custom).stream_capacity(1));
    const auto chunk = co_await run.next();
    CHECK(chunk->content() == "0");
    const auto result = co_await run.result();
    CHECK(result.status() == af::run_status::completed);
    CHECK(emitted == 500);
  });
}

TEST_CASE("Who reads a stream on a plain thread does not wait for its own run", "[stream]") {
  Graph g;
  g.add_node("n", [](const Talk&, NodeContext& ctx) -> asio::awaitable<void> {
    co_await ctx.emit_token("x", "id");
    co_await give_way(3);
  });
  const auto app = g.set_entry_point("n").add_edge("n", "END").compile();
  int refused = 0;
  for (const auto& chunk : app.stream(question, RunConfig().thread_id("t").stream(stream_mode::messages))) {
    static_cast<void>(chunk);
    try {
      app.stop("t");
    } catch (const af::nested_loop_error& e) {
      CHECK_THAT(e.message(), Contains("stop()") && Contains("Stream::stop()"));
      ++refused;
    }
    CHECK_THROWS_AS(app.close(), af::nested_loop_error);
    CHECK(app.stop("another") == 0);
  }
  CHECK(refused > 0);
  CHECK(app.close().clean());
}

TEST_CASE("A stop lifts the bound of a stream, so that its reader may wait for the end", "[stream]") {
  for (const bool close : {false, true}) {
    Graph g;
    g.add_node("n", [](const Talk&, NodeContext& ctx) -> asio::awaitable<void> {
      for (int i = 0; i < 100; ++i) co_await ctx.emit_token("x", "id");
    });
    const auto app = g.set_entry_point("n").add_edge("n", "END").compile();
    on_loop([&]() -> asio::awaitable<void> {
      auto run = app.astream(question, RunConfig().thread_id("t").stream_capacity(4).stream(stream_mode::messages));
      auto first = co_await run.next();
      CHECK(first.has_value());
      if (close) {
        const auto stats = co_await app.aclose();
        CHECK(stats.clean());
      } else {
        const auto stopped = co_await app.astop("t");
        CHECK(stopped == 1);
      }
      int chunks = 1;
      for (;;) {
        auto chunk = co_await run.next();
        if (!chunk) break;
        ++chunks;
      }
      CHECK(chunks == 100);
    });
  }
}

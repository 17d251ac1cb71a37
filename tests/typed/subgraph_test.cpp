// SPDX-License-Identifier: MIT
// Graphs as nodes of graphs: same state, mapped state, nested, side by side; what their events and errors say.
#include <agentflow/typed/state_graph.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/testing/virtual_time.hpp>

#include "support/catch.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using af::NodeContext;
using Catch::Matchers::Contains;

namespace {

struct Outer {
  std::string log;
  int n = 0;
  std::string last;
  bool operator==(const Outer&) const = default;
};
AGENTFLOW_STATE(Outer, (log, af::append), (n, af::sum), last)

struct Inner {
  std::vector<std::string> words;
};
AGENTFLOW_STATE(Inner, (words, af::append))

struct Talk {
  af::List<af::Message> messages;
  int turns = 0;
};
AGENTFLOW_STATE(Talk, (messages, af::add_messages), (turns, af::sum))

using Graph = af::StateGraph<Outer>;
using Update = af::Update<Outer>;
using App = af::CompiledGraph<Outer>;

/// A node that writes where it is: "path/node:step ".
Update mark(const Outer&, NodeContext& ctx) {
  const std::string where = (ctx.path().empty() ? "" : ctx.path() + "/") + ctx.node();
  return Update().write<&Outer::log>(where + ":" + std::to_string(ctx.step()) + " ").write<&Outer::n>(1);
}
asio::awaitable<Update> mark_later(const Outer& s, NodeContext& ctx) {
  co_await give_way();
  co_return mark(s, ctx);
}

/// START -> x -> y -> END, of plain functions or of coroutines.
App two_steps(bool async) {
  Graph g;
  if (async)
    g.add_node("x", mark_later).add_node("y", mark_later);
  else
    g.add_node("x", mark).add_node("y", mark);
  return g.set_entry_point("x").add_edge("x", "y").add_edge("y", "END").compile();
}

/// A graph of one node that throws.
App failing(bool async) {
  Graph g;
  if (async)
    g.add_node("bad", [](Outer) -> asio::awaitable<Outer> {
      co_await give_way();
      throw std::runtime_error("broken");
    });
  else
    g.add_node("bad", [](Outer) -> Outer { throw std::runtime_error("broken"); });
  return g.set_entry_point("bad").add_edge("bad", "END").compile();
}

af::CompiledGraph<Inner> words(bool async) {
  af::StateGraph<Inner> g;
  const auto shout = [](Inner s) {
    for (auto& w : s.words) w += "!";
    return s;
  };
  if (async)
    g.add_node("shout", [shout](Inner s) -> asio::awaitable<Inner> {
      co_await give_way();
      co_return shout(std::move(s));
    });
  else
    g.add_node("shout", shout);
  return g.set_entry_point("shout").add_edge("shout", "END").compile();
}

}  // namespace

TEST_CASE("A graph over the same state is a node", "[subgraph]") {
  for (const bool async : {false, true}) {
    auto sub = two_steps(async);
    Graph g;
    g.add_node("before", mark).add_node("sub", sub).add_node("after", mark);
    g.set_entry_point("before").add_edge("before", "sub").add_edge("sub", "after").add_edge("after", "END");
    const auto result = g.compile().invoke(Outer());
    CHECK(result->log == "before:1 sub/x:1 sub/y:2 after:3 ");
    CHECK(result->n == 4);
    CHECK(result.steps() == 3);

    const App constant = sub;
    Graph other;
    other.add_node("a", constant)
        .add_node("b", two_steps(async))
        .add_node("c", std::move(sub), af::NodeOptions().metadata("k", "v"));
    other.set_entry_point("a").add_edge("a", "b").add_edge("b", "c").add_edge("c", "END");
    CHECK(other.compile().invoke(Outer())->n == 6);
  }
}

TEST_CASE("Subgraphs side by side merge like any nodes", "[subgraph]") {
  for (const bool async : {false, true}) {
    Graph g;
    g.add_node("a", two_steps(async)).add_node("b", two_steps(!async)).add_node("c", mark);
    for (const auto* n : {"a", "b", "c"}) g.set_entry_point(n).add_edge(n, "END");
    Outer in;
    in.log = "in ";
    in.n = 5;
    const auto result = g.compile().invoke(in);
    CHECK(result->log == "in a/x:1 a/y:2 b/x:1 b/y:2 c:1 ");
    CHECK(result->n == 10);
    CHECK(result.steps() == 1);
  }
}

TEST_CASE("Subgraphs nest, and one graph may be a node several times", "[subgraph]") {
  for (const bool async : {false, true}) {
    const auto leaf = two_steps(async);
    Graph middle;
    middle.add_node("l", leaf).add_node("r", leaf).set_entry_point("l").set_entry_point("r");
    middle.add_edge("l", "END").add_edge("r", "END");
    Graph outer;
    outer.add_node("m", middle.compile())
        .add_node("again", leaf)
        .set_entry_point("m")
        .add_edge("m", "again")
        .add_edge("again", "END");
    CHECK(outer.compile().invoke(Outer())->log == "m/l/x:1 m/l/y:2 m/r/x:1 m/r/y:2 again/x:1 again/y:2 ");
  }
}

TEST_CASE("Subgraphs nest sixteen deep and no deeper", "[subgraph]") {
  App app = two_steps(false);
  const auto wrap = [](const App& inner) {
    Graph g;
    return g.add_node("s", inner).set_entry_point("s").add_edge("s", "END").compile();
  };
  for (int i = 0; i < 16; ++i) app = wrap(app);
  CHECK(app.invoke(Outer())->n == 2);
  try {
    wrap(app).invoke(Outer());
    FAIL("a seventeenth level runs");
  } catch (const af::node_error& e) {
    CHECK_THAT(af::describe(e), Contains("deeper than 16"));
  }
}

TEST_CASE("A subgraph over another state maps in and out", "[subgraph]") {
  const auto to = [](const Outer& s) {
    Inner in;
    in.words = {s.log, std::to_string(s.n)};
    return in;
  };
  const auto text = [](const Inner& in) { return in.words[0] + in.words[1]; };
  const auto log_of = [&](auto from, bool async) {
    Graph g;
    g.add_subgraph("sub", words(async), to, from).add_node("x", mark).add_node("y", mark);
    g.set_entry_point("sub").add_edge("sub", "x").add_edge("y", "END");
    g.add_conditional_edges("x", [](const Outer&) { return af::END; }, {"y", "END"});
    Outer in;
    in.log = "in";
    in.n = 2;
    return g.compile().invoke(in)->log;
  };
  for (const bool async : {false, true}) {
    CHECK(log_of([&](const Outer&, Inner in) { return Update().write<&Outer::log>(text(in)); }, async) ==
          "inin!2!x:2 ");
    CHECK(log_of(
              [&](Outer s, const Inner& in) {
                s.log += text(in) + s.log;
                return s;
              },
              async) == "inin!2!inx:2 ");
    CHECK(log_of([](const Outer&, Inner) {}, async) == "inx:2 ");
    CHECK(
        log_of([&](const Outer&,
                   Inner in) { return af::Command<Outer>().update(Update().write<&Outer::log>(text(in))).go_to("y"); },
               async) == "inin!2!y:2 ");
  }
}

TEST_CASE("A mapped subgraph of a conversation may answer with a message", "[subgraph]") {
  af::StateGraph<> chat;
  chat.add_node("n", [](const af::AgentState& s) { return "re: " + s.messages.back().text(); })
      .set_entry_point("n")
      .add_edge("n", "END");
  af::StateGraph<Talk> g;
  g.add_subgraph(
      "chat", chat.compile(), [](const Talk& t) { return af::AgentState{t.messages}; },
      [](const Talk&, af::AgentState s) { return s.messages.back(); });
  g.set_entry_point("chat").add_edge("chat", "END");
  const auto app = g.compile();
  CHECK(app.invoke("hi")->messages.back().text() == "re: hi");

  // The inner node's message and the outer node's are one message: it is delivered once.
  int delivered = 0;
  for (const auto& chunk : app.stream("hi", af::RunConfig().stream(af::stream_mode::messages)))
    delivered += chunk.kind() == af::chunk_kind::message;
  CHECK(delivered == 1);
}

TEST_CASE("Sends may start a subgraph", "[subgraph]") {
  for (const bool async : {false, true}) {
    Graph g;
    g.add_node("a", mark).add_node("sub", two_steps(async)).set_entry_point("a").add_edge("sub", "END");
    g.add_conditional_edges("a",
                            [](const Outer& s) {
                              Outer one = s, two = s;
                              one.log = "1 ";
                              two.log = "2 ";
                              return std::vector<af::Send>{af::Send("sub", one), af::Send("sub", two)};
                            },
                            {"sub"});
    CHECK(g.compile().invoke(Outer())->log == "a:1 sub/x:1 sub/y:2 sub/x:1 sub/y:2 ");
  }
}

TEST_CASE("Events of a subgraph carry its path", "[subgraph]") {
  for (const bool async : {false, true}) {
    Graph inner;
    inner.add_node("n", [](const Outer&, NodeContext& ctx) {
      ctx.write(af::JsonValue::parse("1"));
      return Update().write<&Outer::n>(1);
    });
    inner.add_node("beside", two_steps(async)).set_entry_point("n").set_entry_point("beside");
    inner.add_edge("n", "END").add_edge("beside", "END");
    Graph outer;
    outer.add_node("sub", inner.compile()).set_entry_point("sub").add_edge("sub", "END");
    std::vector<std::string> seen;
    for (const auto& chunk : outer.compile().stream(
             Outer(),
             af::RunConfig().stream(af::stream_mode::custom | af::stream_mode::updates | af::stream_mode::values)))
      seen.push_back(std::string(af::to_string(chunk.kind())) + " " + chunk.path() + " " + chunk.node() + " " +
                     std::to_string(chunk.step()));
    const auto has = [&](const char* what) { return std::count(seen.begin(), seen.end(), what) == 1; };
    CHECK(has("custom sub n 1"));
    CHECK(has("update sub n 1"));
    CHECK(has("update sub/beside x 1"));
    CHECK(has("update sub/beside y 2"));
    CHECK(has("values sub/beside  2"));
    CHECK(has("update sub beside 1"));
    CHECK(has("values sub  1"));
    CHECK(has("update  sub 1"));
    CHECK(has("values   1"));
    CHECK(seen.back() == "values   1");
  }
}

TEST_CASE("An error in a subgraph names the node with its path", "[subgraph]") {
  for (const bool async : {false, true}) {
    Graph middle;
    middle.add_node("m", failing(async))
        .add_node("first", mark)
        .set_entry_point("first")
        .add_edge("first", "m")
        .add_edge("m", "END");
    Graph outer;
    outer.add_node("o", middle.compile()).set_entry_point("o").add_edge("o", "END");
    if (async) outer.add_node("beside", mark_later).set_entry_point("beside").add_edge("beside", "END");
    try {
      outer.compile().invoke(Outer(), af::RunConfig().thread_id("t"));
      FAIL("no error");
    } catch (const af::node_error& e) {
      CHECK(e.context().node() == "o/m/bad");
      CHECK(e.context().step() == 1);
      CHECK(e.context().thread_id() == "t");
      CHECK(e.context().attempt() == 1);
      CHECK_THROWS_WITH(std::rethrow_exception(e.cause()), "broken");
    }
  }
}

TEST_CASE("A subgraph can be retried, replaced by a handler, and limited in time", "[subgraph]") {
  for (const bool async : {false, true}) {
    af::testing::VirtualLoop loop;
    int calls = 0;
    Graph inner;
    inner.add_node("n", [&calls](const Outer& s, NodeContext& ctx) {
      if (++calls < 3) throw std::runtime_error("not yet");
      return mark(s, ctx);
    });
    inner.add_node("first", mark).set_entry_point("first").add_edge("first", "n").add_edge("n", "END");
    Graph outer;
    outer.add_node("sub", inner.compile(), af::NodeOptions().retry(af::RetryPolicy().attempts(3)));
    outer.add_node("bad", failing(async))
        .add_node(
            "slow",
            [&] {
              Graph g;
              g.add_node("wait", [](Outer s, NodeContext& ctx) -> asio::awaitable<Outer> {
                co_await ctx.sleep(std::chrono::hours(5));
                co_return s;
              });
              return g.set_entry_point("wait").add_edge("wait", "END").compile();
            }(),
            af::NodeOptions().timeout(std::chrono::seconds(1)));
    outer.on_error([](const Outer&, const af::error& e) {
      return Update().write<&Outer::log>(std::string(af::code_name(e.code())) + "@" + e.context().node() + " ");
    });
    outer.set_entry_point("sub").add_edge("sub", "bad").add_edge("bad", "slow").add_edge("slow", "END");
    const auto result = loop.run(outer.compile(af::CompileOptions().clock(loop.clock())).ainvoke(Outer()));
    CHECK(calls == 3);
    CHECK(result->log == "sub/first:1 sub/n:2 NODE_001@bad/bad NODE_002@slow ");
    CHECK(loop.clock()->passed() < std::chrono::seconds(10));
  }
}

TEST_CASE("A subgraph has its own count against the recursion limit", "[subgraph]") {
  Graph inner;
  inner.add_node("loop", mark).set_entry_point("loop");
  inner.add_conditional_edges("loop", [](const Outer& s) { return s.n % 4 == 0 ? "END" : "loop"; }, {"loop", "END"});
  Graph outer;
  outer.add_node("a", inner.compile())
      .add_node("b", inner.compile())
      .set_entry_point("a")
      .add_edge("a", "b")
      .add_edge("b", "END");
  const auto app = outer.compile();
  CHECK(app.invoke(Outer(), af::RunConfig().recursion_limit(4))->n == 8);
  try {
    app.invoke(Outer(), af::RunConfig().recursion_limit(3));
    FAIL("no recursion_error");
  } catch (const af::recursion_error& e) {
    CHECK(e.limit() == 3);
    CHECK_THAT(e.context().node(), Contains("loop"));
  }
}

TEST_CASE("A stop inside a subgraph stops the run, with what was finished", "[subgraph]") {
  for (const bool async : {false, true}) {
    af::Stream<Outer>* stream = nullptr;
    Graph inner;
    inner.add_node("stop", [&stream](const Outer& s, NodeContext& ctx) {
      stream->stop();
      return mark(s, ctx);
    });
    inner.add_node("never", mark).set_entry_point("stop").add_edge("stop", "never").add_edge("never", "END");
    Graph outer;
    outer.add_node("sub", inner.compile()).set_entry_point("sub").add_edge("sub", "END");
    if (async) outer.add_node("beside", mark_later).set_entry_point("beside").add_edge("beside", "END");
    auto running = outer.compile().stream(Outer());
    stream = &running;
    const auto result = running.result();
    CHECK(result.status() == af::run_status::stopped);
    CHECK_THAT(result->log, Contains("sub/stop:1") && !Contains("never"));
  }
}

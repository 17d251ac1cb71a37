// SPDX-License-Identifier: MIT
// Questions to a human, inside nodes and around them; what once() does not repeat.
#include <agentflow/typed/state_graph.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include "support/catch.hpp"
#include "support/durable.hpp"

namespace af = agentflow;
using af::interrupt_kind;
using af::NodeContext;
using af::Resume;
using af::run_status;
using support::code_of;
using support::input;
using support::Notes;
using support::on;
using support::text;
using support::World;
using Graph = af::StateGraph<Notes>;
using namespace std::chrono_literals;

namespace {

/// Asks, and writes down the answer.
auto asker(World& w, std::string name) {
  return [&w, name](Notes s, NodeContext& ctx) -> asio::awaitable<Notes> {
    ++w.ran[name];
    const auto answer = co_await ctx.interrupt<std::string>(name + "?");
    s.log.push_back(name + ":" + answer);
    ++s.n;
    co_return s;
  };
}

std::string payload(const af::Interrupt& i) { return i.payload.dump(); }

/// The open questions by payload.
std::map<std::string, std::string> ids(const af::RunResult<Notes>& r) {
  std::map<std::string, std::string> out;
  for (const auto& i : r.interrupts()) out[payload(i)] = i.id;
  return out;
}

af::CompiledGraph<Notes> one(World& w) {
  Graph g;
  g.add_node("a", w.plain("a")).add_node("ask", asker(w, "ask")).add_node("z", w.plain("z"));
  g.set_entry_point("a").add_edge("a", "ask").add_edge("ask", "z").add_edge("z", "END");
  return g.compile(w.options());
}

}  // namespace

TEST_CASE("a node asks, the run ends, and the answer comes back", "[durable][store]") {
  World w;
  const auto app = one(w);
  const auto asked = w.run(app, input("hi"), on("t"));
  CHECK(asked.status() == run_status::interrupted);
  CHECK(text(*asked) == "hi a =1");
  REQUIRE(asked.interrupts().size() == 1);
  const auto& i = asked.interrupts()[0];
  CHECK(i.node == "ask");
  CHECK(i.path.empty());
  CHECK(i.kind == interrupt_kind::inside);
  CHECK(payload(i) == "\"ask?\"");
  const auto runs = w.loop.run(w.store->runs());
  CHECK(runs.at(0).status == af::stored_status::interrupted);

  SECTION("with the only value") {
    const auto done = w.run(app, Resume("yes"), on("t"));
    CHECK(text(*done) == "hi a ask:yes z =3");
    CHECK(done.interrupts().empty());
    CHECK(w.ran == std::map<std::string, int>{{"a", 1}, {"ask", 2}, {"z", 1}});
    CHECK(w.loop.run(w.store->runs()).at(0).status == af::stored_status::completed);
  }
  SECTION("by its id") {
    CHECK(text(*w.run(app, Resume().answer(i.id, std::string("so")), on("t"))) == "hi a ask:so z =3");
  }
  SECTION("and without an answer it stays open") {
    const auto again = w.run(app, Resume(), on("t"));
    CHECK(again.status() == run_status::interrupted);
    REQUIRE(again.interrupts().size() == 1);
    CHECK(again.interrupts()[0].id == i.id);
    CHECK(w.ran["ask"] == 1);
  }
  SECTION("wrong answers have no effect") {
    CHECK(code_of([&] { w.run(app, Resume().answer("0123", 1), on("t")); }) == "RUN_009");
    CHECK(code_of([&] { w.run(app, Resume().answer(i.id, "x").answer(i.id, "y"), on("t")); }) == "RUN_009");
    CHECK(code_of([&] { w.run(app, Resume("x").answer(i.id, "y"), on("t")); }) == "RUN_009");
    CHECK(w.ran["ask"] == 1);
    CHECK(w.loop.run(w.store->runs()).at(0).status == af::stored_status::interrupted);
    CHECK(text(*w.run(app, Resume("yes"), on("t"))) == "hi a ask:yes z =3");
  }
  SECTION("an empty thread id is no thread, which is said") {
    CHECK(code_of([&] { w.run(app, input("x"), on("")); }) == "RUN_005");
  }
  SECTION("a value for nobody is refused with advice") {
    w.run(app, Resume("yes"), on("t"));
    try {
      w.run(app, Resume("again"), on("t"));
      FAIL("not refused");
    } catch (const af::resume_error& e) {
      CHECK(std::string(e.what()).find("go on with Resume()") != std::string::npos);
    }
  }
  SECTION("an answer of another type fails the node") {
    CHECK_THROWS_AS(w.run(app, Resume(5), on("t")), af::node_error);
    CHECK(text(*w.run(app, Resume("five"), on("t"))) == "hi a ask:five z =3");
  }
  SECTION("new input is refused, unless the question may be dropped") {
    CHECK(code_of([&] { w.run(app, input("new"), on("t")); }) == "RUN_008");
    const auto fresh = w.run(app, input("new"), on("t").discard_interrupts());
    CHECK(text(*fresh) == "hi a new a =2");
    REQUIRE(fresh.interrupts().size() == 1);
    CHECK(fresh.interrupts()[0].id != i.id);
    CHECK(text(*w.run(app, Resume("yes"), on("t"))) == "hi a new a ask:yes z =4");
  }
}

TEST_CASE("an answer of another type is not for an error handler", "[durable][store]") {
  World w;
  Graph g;
  g.add_node("ask", asker(w, "ask")).set_entry_point("ask").add_edge("ask", "END");
  bool handled = false;
  g.on_error([&handled](Notes s, const af::error&) {
    handled = true;
    return s;
  });
  const auto app = g.compile(w.options());
  w.run(app, input("hi"), on("t"));
  CHECK_THROWS_AS(w.run(app, Resume(5), on("t")), af::node_error);
  CHECK_FALSE(handled);
  CHECK(text(*w.run(app, Resume("five"), on("t"))) == "hi ask:five =1");
}

TEST_CASE("an answer is kept when the node fails after it", "[durable][store]") {
  World w;
  Graph g;
  g.add_node("ask", [&w](Notes s, NodeContext& ctx) -> asio::awaitable<Notes> {
    const int first = co_await ctx.interrupt<int>("first");
    const int second = co_await ctx.interrupt<int>("second");
    if (w.failures["ask"]-- > 0) throw std::runtime_error("after the answers");
    s.n += first * 10 + second;
    co_return s;
  });
  g.set_entry_point("ask").add_edge("ask", "END");
  const auto app = g.compile(w.options());
  w.failures["ask"] = 1;
  CHECK(payload(w.run(app, input("x"), on("t")).interrupts().at(0)) == "\"first\"");
  CHECK(payload(w.run(app, Resume(4), on("t")).interrupts().at(0)) == "\"second\"");
  CHECK_THROWS_AS(w.run(app, Resume(2), on("t")), af::node_error);
  CHECK(w.run(app, Resume(), on("t"))->n == 42);
}

TEST_CASE("several branches ask at once, and are answered in any order", "[durable][store]") {
  for (const bool at_once : {false, true}) {
    World w;
    Graph g;
    for (const char* n : {"a", "b", "c"}) g.add_node(n, asker(w, n)).set_entry_point(n);
    g.add_node("d", w.slow("d", 1s)).set_entry_point("d").add_node("z", w.plain("z"));
    g.add_edge({"a", "b", "c", "d"}, "z").add_edge("z", "END");
    const auto app = g.compile(w.options());
    const auto asked = w.run(app, input("hi"), on("t"));
    CHECK(asked.status() == run_status::interrupted);
    auto open = ids(asked);
    REQUIRE(open.size() == 3);
    CHECK(code_of([&] { w.run(app, Resume("x"), on("t")); }) == "RUN_009");
    if (!at_once) {
      const auto partly = w.run(app, Resume().answer(open["\"c?\""], "3"), on("t"));
      CHECK(partly.status() == run_status::interrupted);
      CHECK(ids(partly) == std::map<std::string, std::string>{{"\"a?\"", open["\"a?\""]}, {"\"b?\"", open["\"b?\""]}});
      CHECK(code_of([&] { w.run(app, Resume().answer(open["\"c?\""], "4"), on("t")); }) == "RUN_009");
      w.run(app, Resume().answer(open["\"a?\""], "1"), on("t"));
      CHECK(text(*w.run(app, Resume("2"), on("t"))) == "hi a:1 b:2 c:3 d z =5");
    } else {
      const auto all = Resume().answer(open["\"b?\""], "2").answer(open["\"a?\""], "1").answer(open["\"c?\""], "3");
      CHECK(text(*w.run(app, all, on("t"))) == "hi a:1 b:2 c:3 d z =5");
    }
    CHECK(w.ran == std::map<std::string, int>{{"a", 2}, {"b", 2}, {"c", 2}, {"d", 1}, {"z", 1}});
  }
}

TEST_CASE("a question in a Send, in a retried node and with a swallowed exception", "[durable][store]") {
  World w;
  Graph g;
  g.add_node("item", [](int i, NodeContext& ctx) -> asio::awaitable<af::Update<Notes>> {
    const int more = co_await ctx.interrupt<int>(i);
    co_return af::Update<Notes>().write<&Notes::n>(i + more);
  });
  g.add_node(
      "deaf",
      [](Notes s, NodeContext& ctx) -> asio::awaitable<Notes> {
        std::string answer = "nothing";
        try {
          auto op = ctx.interrupt<std::string>("deaf");
          answer = co_await std::move(op);
        } catch (...) {
        }
        s.log.push_back(answer);
        co_return s;
      },
      af::NodeOptions().retry(af::RetryPolicy().attempts(3)).timeout(5s));
  g.set_entry_point("deaf").add_conditional_edges(
      "START", [](const Notes&) { return std::vector<af::Send>{af::Send("item", 1), af::Send("item", 2)}; });
  g.add_edge("item", "END").add_edge("deaf", "END");
  const auto app = g.compile(w.options());
  const auto asked = w.run(app, input("hi"), on("t"));
  auto open = ids(asked);
  REQUIRE(open.size() == 3);
  CHECK(text(*asked) == "hi =0");
  w.run(app, Resume().answer(open["2"], 200).answer(open["1"], 100), on("t"));
  CHECK(text(*w.run(app, Resume("heard"), on("t"))) == "hi heard =303");
}

TEST_CASE("a failing sibling wins over a question, which is asked again", "[durable][store]") {
  World w;
  Graph g;
  g.add_node("ask", asker(w, "ask")).add_node("f", w.slow("f", 1s));
  g.set_entry_point("ask").set_entry_point("f").add_edge("ask", "END").add_edge("f", "END");
  const auto app = g.compile(w.options());
  w.failures["f"] = 1;
  CHECK_THROWS_AS(w.run(app, input("hi"), on("t")), af::node_error);
  CHECK(w.run(app, Resume(), on("t")).status() == run_status::interrupted);
  CHECK(text(*w.run(app, Resume("yes"), on("t"))) == "hi ask:yes f =2");
}

TEST_CASE("a run waits before and after nodes", "[durable][store]") {
  World w;
  Graph g;
  for (const char* n : {"a", "b", "c"}) g.add_node(n, w.plain(n));
  g.set_entry_point("a").add_edge("a", "b").add_edge("b", "c").add_edge("c", "END");
  SECTION("as the graph says") {
    const auto app = g.compile(w.options().interrupt_before({"a", "c"}).interrupt_after({"a", "c"}));
    const auto first = w.run(app, input("hi"), on("t"));
    CHECK(first.status() == run_status::interrupted);
    CHECK(first.interrupts().at(0).kind == interrupt_kind::before);
    CHECK(first.interrupts().at(0).node == "a");
    CHECK(w.ran.empty());
    const auto second = w.run(app, Resume(), on("t"));
    CHECK(second.interrupts().at(0).kind == interrupt_kind::after);
    CHECK(text(*second) == "hi a =1");
    const auto third = w.run(app, Resume(), on("t"));
    CHECK(third.interrupts().at(0).node == "c");
    CHECK(text(*third) == "hi a b =2");
    CHECK(code_of([&] { w.run(app, Resume("a value"), on("t")); }) == "RUN_009");
    CHECK(w.run(app, Resume(), on("t")).status() == run_status::completed);  // nothing follows c
  }
  SECTION("or as the run says") {
    const auto app = g.compile(w.options());
    const auto first = w.run(app, input("hi"), on("t").interrupt_before({"b"}));
    CHECK(text(*first) == "hi a =1");
    CHECK(text(*w.run(app, Resume(), on("t"))) == "hi a b c =3");
    CHECK(code_of([&] { w.run(app, input("x"), on("t").interrupt_after({"nobody"})); }) == "RUN_005");
    CHECK(code_of([&] { w.run(app, input("x"), af::RunConfig().interrupt_after({"a"})); }) == "RUN_010");
  }
  SECTION("names are checked when the graph is compiled") {
    CHECK(code_of([&] { g.compile(w.options().interrupt_before({"x"})); }) == "GRAPH_004");
    CHECK(code_of([&] { g.compile(af::CompileOptions().interrupt_after({"a"})); }) == "GRAPH_008");
  }
}

TEST_CASE("interrupt() needs a run that is stored", "[durable][store]") {
  World w;
  const auto app = one(w);
  try {
    w.run(app, input("hi"), {});
    FAIL("it asked nobody");
  } catch (const af::node_error& e) {
    CHECK_THAT(af::describe(e), Catch::Contains("RUN_010"));
  }
}

TEST_CASE("once() does not repeat what has a result", "[durable][store]") {
  World w;
  int calls = 0, voids = 0;
  std::set<std::string> keys;
  Graph g;
  g.add_node(
      "pay",
      [&](Notes s, NodeContext& ctx) -> asio::awaitable<Notes> {
        keys.insert(ctx.idempotency_key());
        auto charge = [&calls]() -> asio::awaitable<std::string> {
          ++calls;
          co_await asio::post(asio::use_awaitable);
          co_return "receipt " + std::to_string(calls);
        };
        auto op = ctx.once("charge", charge);
        const std::string receipt = co_await std::move(op);
        auto note = [&voids] { ++voids; };
        auto mail = ctx.once("mail", note);
        co_await std::move(mail);
        if (w.failures["pay"]-- > 0) throw std::runtime_error("after paying");
        const bool kept = co_await ctx.interrupt<bool>("keep it?");
        s.log.push_back(receipt + (kept ? " kept" : " returned"));
        co_return s;
      },
      af::NodeOptions().retry(af::RetryPolicy().attempts(2)));
  g.set_entry_point("pay").add_edge("pay", "END");
  const auto app = g.compile(w.options());
  w.failures["pay"] = 4;  // two runs of two attempts
  CHECK_THROWS_AS(w.run(app, input("hi"), on("t")), af::node_error);
  CHECK_THROWS_AS(w.run(app, Resume(), on("t")), af::node_error);
  CHECK(w.run(app, Resume(), on("t")).status() == run_status::interrupted);
  CHECK(text(*w.run(app, Resume(true), on("t"))) == "hi receipt 1 kept =0");
  CHECK(calls == 1);
  CHECK(voids == 1);
  CHECK(keys.size() == 1);
  // Another turn, and another thread, are other tasks.
  w.run(app, input("more"), on("t"));
  w.run(app, input("hi"), on("u"));
  CHECK(calls == 3);
  CHECK(keys.size() == 3);
}

TEST_CASE("once() works without a store within the run, and checks its key", "[durable][store]") {
  World w;
  int calls = 0;
  Graph g;
  g.add_node(
      "n",
      [&](Notes s, NodeContext& ctx) -> asio::awaitable<Notes> {
        auto count = [&calls] { return ++calls; };
        auto op = ctx.once("k", count);
        s.n = co_await std::move(op);
        if (ctx.attempt() < 3) throw std::runtime_error("again");
        co_return s;
      },
      af::NodeOptions().retry(af::RetryPolicy().attempts(3)));
  g.add_node("bad", [](Notes s, NodeContext& ctx) -> asio::awaitable<Notes> {
    auto nothing = [] {};
    auto op = ctx.once("", nothing);
    co_await std::move(op);
    co_return s;
  });
  g.add_conditional_edges("START", [](const Notes& s) { return s.title.empty() ? "n" : s.title.c_str(); },
                          {"n", "bad", "twice"});
  g.add_edge("n", "END").add_edge("bad", "END");
  g.add_node("twice", [&](Notes s, NodeContext& ctx) -> asio::awaitable<Notes> {
    auto fail = []() -> int { throw std::runtime_error("not done"); };
    auto count = [&calls] { return ++calls; };
    auto failing = ctx.once("k", fail);
    try {
      s.n = co_await std::move(failing);
    } catch (const std::runtime_error&) {
      s.n = -1;
    }
    auto first = ctx.once("k", count);  // nothing was done by then
    s.n = co_await std::move(first);
    auto second = ctx.once("k", count);
    s.n = co_await std::move(second);
    co_return s;
  });
  g.add_edge("twice", "END");
  const auto app = g.compile(af::CompileOptions().clock(w.loop.clock()));
  Notes twice;
  twice.title = "twice";
  try {
    w.run(app, std::move(twice), {});
    FAIL("the second is not refused");
  } catch (const af::node_error& e) {
    CHECK(af::describe(std::make_exception_ptr(e)).find("once(\"k\") is called twice") != std::string::npos);
  }
  CHECK(std::exchange(calls, 0) == 1);
  CHECK(w.run(app, input("x"), {})->n == 1);
  CHECK(w.run(app, input("x"), {})->n == 2);
  Notes bad;
  bad.title = "bad";
  CHECK_THROWS_AS(w.run(app, std::move(bad), {}), af::node_error);
}

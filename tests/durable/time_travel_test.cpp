// SPDX-License-Identifier: MIT
// The history of a thread: looking, going back, changing, copying, comparing.
#include <agentflow/typed/state_graph.hpp>

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <agentflow/core/json.hpp>

#include "support/catch.hpp"
#include "support/durable.hpp"

namespace af = agentflow;
using af::HistoryOptions;
using af::Resume;
using af::Update;
using support::code_of;
using support::input;
using support::Notes;
using support::on;
using support::text;
using support::World;
using Graph = af::StateGraph<Notes>;

namespace {

af::CompiledGraph<Notes> chain(World& w) {
  Graph g;
  for (const char* n : {"a", "b", "c"}) g.add_node(n, w.plain(n));
  g.set_entry_point("a").add_edge("a", "b").add_edge("b", "c").add_edge("c", "END");
  return g.compile(w.options());
}

af::JsonValue json(const char* text) { return af::JsonValue::parse(text); }

}  // namespace

TEST_CASE("a thread can be looked at, now and as it was", "[durable][store]") {
  World w;
  const auto app = chain(w);
  CHECK_FALSE(w.loop.run(app.aget_state("t")).has_value());
  const auto result = w.run(app, input("hi"), on("t").metadata(json(R"({"user":"ann"})")));
  const auto now = app.get_state("t");
  REQUIRE(now.has_value());
  CHECK(text(now->state) == "hi a b c =3");
  CHECK(now->id == result.checkpoint_id());
  CHECK(now->finished);
  CHECK(now->next.empty());
  CHECK(now->step == 3);
  CHECK(now->metadata == json(R"({"user":"ann"})"));
  CHECK(now->run_id == result.run_id());
  CHECK(now->created_at == w.loop.clock()->wall_now());

  const auto page = w.loop.run(app.aget_state_history("t"));
  REQUIRE(page.size() == 4);
  CHECK(text(page[1].state) == "hi a b =2");
  CHECK(page[1].next == std::vector<std::string>{"c"});
  CHECK(page[3].kind == af::checkpoint_kind::input);
  CHECK(text(page[3].state) == "hi =0");
  CHECK(page[3].next == std::vector<std::string>{"a"});
  CHECK(page[3].parent_id.empty());
  for (std::size_t i = 0; i + 1 < page.size(); ++i) CHECK(page[i].parent_id == page[i + 1].id);
  CHECK(text(*app.get_state("t", page[2].id)->operator->()) == "hi a =1");
  CHECK(code_of([&] { app.get_state("t", "99-0123456789abcdef"); }) == "CHECKPOINT_003");
  CHECK(code_of([&] { chain(w).get_state("u", page[2].id); }) == "CHECKPOINT_003");

  Graph plain;
  plain.add_node("a", w.plain("a")).set_entry_point("a").add_edge("a", "END");
  CHECK(code_of([&] { plain.compile().get_state("t"); }) == "RUN_010");
}

TEST_CASE("a long history comes in pages, each state as it was", "[durable][store]") {
  World w;
  Graph g;
  g.add_node("a", [](Notes s) {
    s.log.push_back(std::string(300, static_cast<char>('a' + s.n % 26)));
    ++s.n;
    return s;
  });
  g.set_entry_point("a").add_conditional_edges("a", [](const Notes& s) { return s.n < 90 ? "a" : "END"; },
                                               {"a", "END"});
  const auto app = g.compile(w.options());
  w.run(app, input("hi"), on("t").recursion_limit(100).metadata(json(R"({"n":1})")));
  int expected = 90;
  std::string before;
  for (;;) {
    const auto page = app.get_state_history("t", HistoryOptions().limit(7).before(before));
    if (page.empty()) break;
    for (const auto& s : page) {
      CHECK(s.state.n == expected);
      CHECK(s.state.log.size() == static_cast<std::size_t>(expected) + 1);
      --expected;
    }
    before = page.back().id;
  }
  CHECK(expected == -1);
  CHECK(app.get_state_history("t", HistoryOptions().where("n", json("2"))).empty());
  CHECK(app.get_state_history("t", HistoryOptions().where("n", json("1")).limit(3)).size() == 3);
  CHECK(code_of([&] { app.get_state_history("t", HistoryOptions().before("x")); }) == "RUN_005");
}

TEST_CASE("a run may begin at any checkpoint, and leaves what there is", "[durable][store]") {
  World w;
  const auto app = chain(w);
  w.run(app, input("hi"), on("t"));
  const auto page = app.get_state_history("t");
  const auto branch = w.run(app, Resume(), on("t").checkpoint(page[2].id));
  CHECK(text(*branch) == "hi a b c =3");
  CHECK(w.ran["a"] == 1);
  CHECK(w.ran["b"] == 2);
  const auto turn = w.run(app, input("instead"), on("t").checkpoint(page[3].id));
  CHECK(text(*turn) == "hi instead a b c =3");
  // The old ones are as they were; the newest is what a plain input goes on from.
  for (const auto& s : page) CHECK(text(app.get_state("t", s.id)->state) == text(s.state));
  CHECK(app.get_state("t")->id == turn.checkpoint_id());
  CHECK(text(*w.run(app, Resume(), on("t").checkpoint(page[0].id))) == "hi a b c =3");
  CHECK(code_of([&] { w.run(app, Resume(1), on("t").checkpoint(page[2].id)); }) == "RUN_009");
  CHECK(code_of([&] { w.run(app, Resume(), on("t").checkpoint("77-0123456789abcdef")); }) == "CHECKPOINT_003");
  CHECK(code_of([&] { w.run(app, Resume(), af::RunConfig().checkpoint(page[2].id)); }) == "RUN_010");
}

TEST_CASE("a branch leaves what is pending at the checkpoint it begins at", "[durable][store]") {
  World w;
  Graph g;
  g.add_node("a", w.plain("a")).add_node("b", w.slow("b", std::chrono::seconds(1)));
  for (const char* n : {"a", "b"}) g.set_entry_point(n).add_edge(n, "END");
  const auto app = g.compile(w.options());
  w.failures["b"] = 1;
  CHECK_THROWS_AS(w.run(app, input("hi"), on("t")), af::node_error);
  const auto failed = app.get_state("t")->id;
  const auto pending = w.loop.run(w.store->load("t", "", 1))->writes.size();
  CHECK(pending == 1);
  CHECK(text(*w.run(app, Resume(), on("t").checkpoint(failed))) == "hi a b =2");
  CHECK(w.ran == std::map<std::string, int>{{"a", 2}, {"b", 2}});
  CHECK(w.loop.run(w.store->load("t", "", 1))->writes.size() == pending);
}

TEST_CASE("the state of a thread can be changed from outside", "[durable][store]") {
  World w;
  const auto app = chain(w);
  w.failures["b"] = 1;
  CHECK_THROWS_AS(w.run(app, input("hi"), on("t")), af::node_error);
  auto change = [] { return Update<Notes>().write<&Notes::log>("edited").overwrite<&Notes::n>(40); };
  SECTION("where it is") {
    const auto id = w.loop.run(app.aupdate_state("t", change()));
    const auto now = app.get_state("t");
    CHECK(now->id == id);
    CHECK(now->kind == af::checkpoint_kind::update);
    CHECK(text(now->state) == "hi a edited =40");
    CHECK(now->next == std::vector<std::string>{"b"});
    CHECK(text(*w.run(app, Resume(), on("t"))) == "hi a edited b c =42");
  }
  SECTION("as a node that need not run then") {
    app.update_state("t", change(), "b");
    CHECK(app.get_state("t")->next == std::vector<std::string>{"c"});
    CHECK(text(*w.run(app, Resume(), on("t"))) == "hi a edited c =41");
    CHECK(w.ran["b"] == 1);
  }
  SECTION("as the last node, which finishes it") {
    app.update_state("t", change(), "c");
    CHECK(app.get_state("t")->finished);
    CHECK(text(*w.run(app, Resume(), on("t"))) == "hi a edited =40");
  }
  SECTION("at an older checkpoint") {
    const auto page = app.get_state_history("t");
    app.update_state("t", change(), "a", page.back().id);
    CHECK(text(*w.run(app, Resume(), on("t"))) == "hi edited b c =42");
  }
  SECTION("and not as nobody") {
    CHECK(code_of([&] { app.update_state("t", change(), "nobody"); }) == "RUN_005");
    CHECK(code_of([&] { app.update_state("unknown", change()); }) == "CHECKPOINT_003");
  }
}

TEST_CASE("a thread is copied with its questions, and two checkpoints are compared", "[durable][store]") {
  World w;
  Graph g;
  g.add_node("a", w.plain("a"));
  g.add_node("ask", [](Notes s, af::NodeContext& ctx) -> asio::awaitable<Notes> {
    s.title = co_await ctx.interrupt<std::string>("title?");
    co_return s;
  });
  g.set_entry_point("a").add_edge("a", "ask").add_edge("ask", "END");
  const auto app = g.compile(w.options());
  w.run(app, input("hi"), on("t"));
  const auto copy = w.loop.run(app.afork("t", "", "u"));
  CHECK(app.get_state("u")->id == copy);
  REQUIRE(app.get_state("u")->interrupts.size() == 1);
  CHECK(w.run(app, Resume("one"), on("u"))->title == "one");
  CHECK(w.run(app, Resume("two"), on("t"))->title == "two");
  const auto page = app.get_state_history("t");
  const auto delta = app.diff("t", page.back().id, page.front().id);
  CHECK(delta == json(R"({"log":["a"],"n":1,"title":"two"})"));
  CHECK(code_of([&] { app.fork("t", "", "u"); }) == "CHECKPOINT_005");
  CHECK(app.fork("t", page.back().id, "v").size() > 3);
  CHECK(text(app.get_state("v")->state) == "hi =0");
}

TEST_CASE("the blocking calls refuse a thread that runs a loop", "[durable][store]") {
  World w;
  const auto app = chain(w);
  w.run(app, input("hi"), on("t"));
  auto try_all = [&]() -> asio::awaitable<int> {
    int refused = 0;
    auto check = [&](const std::function<void()>& f) { refused += code_of(f) == "RUN_003"; };
    check([&] { app.get_state("t"); });
    check([&] { app.get_state_history("t"); });
    check([&] { app.update_state("t", {}); });
    check([&] { app.fork("t", "", "u"); });
    check([&] { app.diff("t", "", ""); });
    co_return refused;
  };
  CHECK(w.loop.run(try_all()) == 5);
}

// SPDX-License-Identifier: MIT
// StateGraph: every form of node, alone and beside others, blocking and awaited.
#include <agentflow/typed/state_graph.hpp>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using af::NodeContext;

namespace {

struct Tally {
  af::List<std::string> log;
  int n = 0;
  std::string note;
  bool operator==(const Tally&) const = default;
};
AGENTFLOW_STATE(Tally, (log, af::append), (n, af::sum), note)

struct Talk {
  af::List<af::Message> messages;
  int n = 0;
};
AGENTFLOW_STATE(Talk, (messages, af::add_messages), (n, af::sum))

using Update = af::Update<Tally>;
using Command = af::Command<Tally>;

Tally input() {
  Tally s;
  s.log.push_back("in");
  s.n = 10;
  s.note = "in";
  return s;
}
Tally done(std::string note = "done") {
  Tally s = input();
  s.log.push_back("work");
  s.n = 11;
  s.note = std::move(note);
  return s;
}
Tally work(Tally s) {
  s.log.push_back("work");
  ++s.n;
  s.note = "done";
  return s;
}

template <class S>
using Add = std::function<void(af::StateGraph<S>&)>;

/// Adds a node "n" with `add`, runs it in each way there is, and expects the same each time.
template <class S>
S every_way(const Add<S>& add, const S& in, bool (*same)(const S&, const S&)) {
  const auto graph_with = [&](bool beside) {
    af::StateGraph<S> g;
    add(g);
    g.set_entry_point("n").add_edge("n", "END");
    if (beside) g.add_node("beside", [](const S&) {}).set_entry_point("beside").add_edge("beside", "END");
    return g.compile();
  };
  const auto alone = graph_with(false), beside = graph_with(true);
  const S result = alone.invoke(in).state;
  CHECK(same(beside.invoke(in).state, result));
  CHECK(same(alone.stream(in).result().state, result));
  for (const auto& app : {alone, beside}) {
    const S awaited = on_loop([&]() -> asio::awaitable<S> {
      S mine = in;
      auto run = co_await app.ainvoke(std::move(mine));
      co_return std::move(run.state);
    });
    CHECK(same(awaited, result));
  }
  return result;
}
Tally every_way(const Add<Tally>& add) {
  return every_way<Tally>(add, input(), [](const Tally& a, const Tally& b) { return a == b; });
}
template <class F>
Add<Tally> node(F fn) {
  return [fn](af::StateGraph<Tally>& g) { g.add_node("n", fn); };
}

std::string texts(const Talk& t) {
  std::string all;
  for (const af::Message& m : t.messages) all += std::string(af::to_string(m.role())) + ":" + m.text() + " ";
  return all + std::to_string(t.n);
}
bool same_texts(const Talk& a, const Talk& b) { return texts(a) == texts(b); }

struct Functor {
  int by = 1;
  Tally operator()(Tally s) const {
    s.n += by - 1;
    return work(std::move(s));
  }
};
struct MutableFunctor {
  Tally operator()(const Tally& s) { return work(s); }
};
struct Overloaded {
  Tally operator()(Tally s) const { return work(std::move(s)); }
  int operator()(int i) const { return i; }
};

struct Service {
  std::string note = "done";
  int calls = 0;
  Tally finish(Tally s) {
    ++calls;
    s.note = note;
    s.log.push_back("work");
    ++s.n;
    return s;
  }
  Tally finish_const(const Tally& s, NodeContext& ctx) const {
    Tally mine = work(s);
    mine.note = note + ctx.node();
    return mine;
  }
  Update update() const noexcept {
    return Update().write<&Tally::n>(1).write<&Tally::log>("work").write<&Tally::note>(note);
  }
  Update finish_noexcept(const Tally&) const noexcept { return update(); }
  asio::awaitable<Tally> finish_later(Tally s) {
    co_await give_way();
    co_return finish(std::move(s));
  }
};

Tally plain_const(const Tally& s) { return work(s); }
Tally plain_noexcept(Tally s) noexcept { return work(std::move(s)); }
asio::awaitable<Tally> coroutine(Tally s) {
  co_await give_way();
  co_return work(std::move(s));
}

}  // namespace

TEST_CASE("A node is any callable", "[state_graph]") {
  CHECK(every_way(node(work)) == done());
  CHECK(every_way(node(&work)) == done());
  CHECK(every_way(node(plain_const)) == done());
  CHECK(every_way(node(plain_noexcept)) == done());
  CHECK(every_way(node(coroutine)) == done());
  CHECK(every_way(node(std::function<Tally(Tally)>(work))) == done());
  CHECK(every_way(node(Functor{})) == done());
  CHECK(every_way(node(MutableFunctor{})) == done());
  CHECK(every_way(node(Overloaded{})) == done());
  CHECK(every_way(node([](auto s) { return work(std::move(s)); })) == done());
  CHECK(every_way(node([](const auto& s, auto& ctx) {
          Tally mine = work(s);
          mine.note = ctx.node();
          return mine;
        })) == done("n"));
  const std::string note = "captured";
  CHECK(every_way(node([note](Tally s) mutable {
          s = work(std::move(s));
          s.note = note;
          return s;
        })) == done(note));
}

TEST_CASE("A node may be move-only", "[state_graph]") {
  CHECK(every_way([](auto& g) {
          g.add_node("n", [owned = std::make_unique<std::string>("owned")](Tally s) {
            s = work(std::move(s));
            s.note = *owned;
            return s;
          });
        }) == done("owned"));
  CHECK(every_way([](auto& g) {
          g.add_node("n", [owned = std::make_unique<std::string>("owned")](Tally s) -> asio::awaitable<Tally> {
            co_await give_way();
            s = work(std::move(s));
            s.note = *owned;
            co_return s;
          });
        }) == done("owned"));
}

TEST_CASE("A node may be a member function", "[state_graph]") {
  const auto shared = std::make_shared<Service>();
  Service service;
  const Service constant;
  CHECK(every_way([&](auto& g) { g.add_node("n", &Service::finish, &service); }) == done());
  CHECK(service.calls == 5);
  CHECK(every_way([&](auto& g) { g.add_node("n", &Service::finish, shared); }) == done());
  CHECK(shared->calls == 5);
  CHECK(every_way([&](auto& g) { g.add_node("n", &Service::finish_const, &constant); }) == done("donen"));
  CHECK(every_way([&](auto& g) { g.add_node("n", &Service::finish_noexcept, &constant); }) == done());
  CHECK(every_way([&](auto& g) { g.add_node("n", &Service::finish_later, &service); }) == done());
  CHECK(every_way([&](auto& g) {
          g.add_node("n", &Service::finish, std::make_unique<Service>(), af::NodeOptions().metadata("owner", "graph"));
        }) == done());
}

TEST_CASE("A node takes the state by value or reference, with or without a context", "[state_graph]") {
  CHECK(every_way(node([](Tally s) { return work(std::move(s)); })) == done());
  CHECK(every_way(node([](const Tally& s) { return work(s); })) == done());
  CHECK(every_way(node([](const Tally s) { return work(s); })) == done());
  CHECK(every_way(node([](Tally s, NodeContext&) { return work(std::move(s)); })) == done());
  CHECK(every_way(node([](const Tally& s, NodeContext& ctx) {
          Tally mine = work(s);
          mine.note = ctx.node();
          return mine;
        })) == done("n"));
  CHECK(every_way(node([](Tally s) -> asio::awaitable<Tally> { co_return work(std::move(s)); })) == done());
  CHECK(every_way(node([](const Tally& s) -> asio::awaitable<Tally> {
          co_await give_way(3);
          co_return work(s);
        })) == done());
  CHECK(every_way(node([](Tally s, NodeContext& ctx) -> asio::awaitable<Tally> {
          co_await give_way();
          s = work(std::move(s));
          s.note = ctx.node();
          co_return s;
        })) == done("n"));
  CHECK(every_way(node([](const Tally& s, NodeContext& ctx) -> asio::awaitable<Tally> {
          co_await ctx.sleep(std::chrono::nanoseconds(1));
          co_return work(s);
        })) == done());
}

TEST_CASE("A node returns its state, an update, a command or nothing", "[state_graph]") {
  const auto update = [] {
    return Update().write<&Tally::n>(1).write<&Tally::log>("work").write<&Tally::note>("done");
  };
  CHECK(every_way(node([](Tally) {})) == input());
  CHECK(every_way(node([](Tally s) { s = Tally(); })) == input());
  CHECK(every_way(node([](Tally) -> asio::awaitable<void> { co_await give_way(); })) == input());
  CHECK(every_way(node([](const Tally&) { return Update(); })) == input());
  CHECK(every_way(node([=](const Tally&) { return update(); })) == done());
  CHECK(every_way(node([=](Tally s) {
          s.log.push_back("lost: only the update counts");
          return update();
        })) == done());
  CHECK(every_way(node([=](Tally) -> asio::awaitable<Update> {
          co_await give_way();
          co_return update();
        })) == done());
  CHECK(every_way(node([=](const Tally&) { return Command().update(update()); })) == done());
  CHECK(every_way(node([=](const Tally&) { return Command().update(update()).go_to("END"); })) == done());
  CHECK(every_way(node([=](const Tally&) -> asio::awaitable<Command> {
          co_await give_way();
          co_return Command().update(update()).go_to(af::END);
        })) == done());
  Tally overwritten;
  overwritten.log.push_back("only");
  overwritten.n = 3;
  CHECK(every_way(node([=](const Tally&) {
          return Update()
              .overwrite<&Tally::log>(overwritten.log)
              .write<&Tally::n>(af::Overwrite<int>(3))
              .write<&Tally::note>("");
        })) == overwritten);
  CHECK(every_way(node([=](Tally) { return overwritten; })) == overwritten);
}

TEST_CASE("A node of a conversation returns messages or text", "[state_graph]") {
  using af::Message;
  Talk in;
  in.messages.push_back(Message::user("hi").with_id("u"));
  in.n = 1;
  const auto result = [&](auto fn) {
    return texts(every_way<Talk>([&](auto& g) { g.add_node("n", fn); }, in, same_texts));
  };
  CHECK(result([](const Talk&) { return "text"; }) == "user:hi assistant:text 1");
  CHECK(result([](const Talk&) { return std::string("text"); }) == "user:hi assistant:text 1");
  CHECK(result([](const Talk&) -> std::string_view { return "text"; }) == "user:hi assistant:text 1");
  CHECK(result([](Talk) { return Message::from_text("m", af::Role::tool); }) == "user:hi tool:m 1");
  CHECK(result([](Talk) { return std::vector{Message::user("a"), Message::assistant("b")}; }) ==
        "user:hi user:a assistant:b 1");
  CHECK(result([](Talk t) {
          t.messages.push_back(Message::assistant("lost"));
          return af::List<Message>{Message::user("a").with_id("u")};
        }) == "user:a 1");
  CHECK(result([](Talk) -> asio::awaitable<const char*> {
          co_await give_way();
          co_return "text";
        }) == "user:hi assistant:text 1");
  CHECK(result([](Talk) -> asio::awaitable<Message> { co_return Message::remove("u"); }) == "1");
  CHECK(result([](Talk) -> asio::awaitable<std::vector<Message>> {
          std::vector<Message> none;
          co_return none;
        }) == "user:hi 1");
  CHECK(result([](Talk) -> asio::awaitable<af::List<Message>> {
          af::List<Message> one;
          one.push_back(Message::system("s"));
          co_return one;
        }) == "user:hi system:s 1");
  CHECK(result([](Talk) {
          return af::Command<Talk>().update(
              af::Update<Talk>().write<&Talk::messages>(Message::assistant("c")).write<&Talk::n>(1));
        }) == "user:hi assistant:c 2");
  CHECK(result([](Talk) {}) == "user:hi 1");
}

TEST_CASE("A blocking node runs on a thread of its own", "[state_graph]") {
  const auto loop = std::this_thread::get_id();
  CHECK(every_way([&](auto& g) {
          g.add_node("n", af::blocking([loop](Tally s, NodeContext& ctx) {
                       CHECK(std::this_thread::get_id() != loop);
                       CHECK_FALSE(ctx.cancelled());
                       return work(std::move(s));
                     }));
        }) == done());
  CHECK(every_way([&](auto& g) {
          g.add_node("n", af::blocking([owned = std::make_unique<int>(1)](const Tally&) {
                       return Update().write<&Tally::n>(*owned).write<&Tally::log>("work").write<&Tally::note>("done");
                     }));
        }) == done());
  CHECK(every_way([&](auto& g) { g.add_node("n", af::blocking(work)); }) == done());
  CHECK(every_way([&](auto& g) { g.add_node("n", af::blocking([](Tally) {})); }) == input());

  af::StateGraph<Tally> g;
  g.add_node("n", af::blocking([](Tally) -> Tally { throw std::runtime_error("disk"); }))
      .set_entry_point("n")
      .add_edge("n", "END");
  CHECK_THROWS_AS(g.compile().invoke(input()), af::node_error);
}

TEST_CASE("A node can be overridden in its place", "[state_graph]") {
  af::StateGraph<Tally> g;
  g.add_node(
      "first", [](Tally) -> Tally { throw std::logic_error("the real one"); },
      af::NodeOptions().metadata("kept", "yes"));
  g.add_node("last", work).set_entry_point("first").add_edge("first", "last").add_edge("last", "END");
  CHECK_THROWS_AS(g.compile().invoke(input()), af::node_error);
  af::StateGraph<Tally> test = g;
  test.override_node("first", [](const Tally&) -> asio::awaitable<Update> { co_return Update().write<&Tally::n>(5); });
  const auto app = test.compile();
  Tally expected = done();
  expected.n = 16;
  CHECK(app.invoke(input()).state == expected);
  CHECK(app.to_json().find("\"kept\":\"yes\"") != std::string::npos);
  CHECK_THROWS_AS(g.compile().invoke(input()), af::node_error);  // the copied-from graph is as it was
  test.override_node("first", af::blocking([](Tally s) { return s; }));
  CHECK(test.compile().invoke(input()).state == done());
}

TEST_CASE("A graph may be built in any order, copied, and changed after compile", "[state_graph]") {
  af::StateGraph<Tally> g;
  g.add_edge("b", "END").set_entry_point("a").add_edge("a", "b");
  g.override_node("a", work);
  g.add_node("b", work).add_node("a", [](Tally) {});
  const auto app = g.compile();
  CHECK(app.invoke(input())->n == 12);
  af::StateGraph<Tally> longer = g;
  longer.add_node("c", work).add_edge("a", "c").add_edge("c", "END");
  CHECK(longer.compile().invoke(Tally())->n == 3);
  CHECK(app.invoke(input())->n == 12);
  CHECK(g.compile().invoke(input())->n == 12);
}

TEST_CASE("A run starts from a state, an update, messages or text", "[state_graph]") {
  af::StateGraph<Tally> g;
  g.add_node("n", work).set_entry_point("n").add_edge("n", "END");
  CHECK(g.compile().invoke(Update().write<&Tally::n>(4).write<&Tally::log>("x"))->n == 5);

  af::StateGraph<> chat;
  chat.add_node("n",
                [](const af::AgentState& s) { return std::to_string(s.messages.size()) + s.messages.front().text(); });
  chat.set_entry_point("n").add_edge("n", "END");
  const auto app = chat.compile();
  CHECK(app.invoke("hi")->messages.back().text() == "1hi");
  CHECK(app.invoke(std::string("hi"))->messages.front().role() == af::Role::user);
  CHECK(app.invoke(af::Message::system("hi"))->messages.front().role() == af::Role::system);
  CHECK(app.invoke(std::vector{af::Message::user("a"), af::Message::user("b")})->messages.back().text() == "2a");
  af::AgentState state;
  state.messages.push_back(af::Message::user("z"));
  CHECK(app.invoke(state)->messages.back().text() == "1z");
}

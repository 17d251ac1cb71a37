// SPDX-License-Identifier: MIT
// The guide's statements, by number, where no test of one header says them: how the parts work together.
#include <agentflow/agentflow.hpp>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/query.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>
#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <agentflow/format.hpp>

#include "support/catch.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using namespace std::chrono_literals;
using af::testing::VirtualLoop;

namespace {

using App = af::CompiledGraph<af::AgentState>;

asio::awaitable<af::AgentState> agent_node(af::AgentState s) {
  s.messages.push_back(af::Message::assistant("You said: " + s.messages.back().text()));
  co_return s;
}

template <class F>
af::StateGraph<> graph_of(F node, af::NodeOptions options = {}) {
  af::StateGraph<> graph;
  graph.add_node("agent", node, std::move(options)).set_entry_point("agent").add_edge("agent", "END");
  return graph;
}
af::StateGraph<> build_graph() { return graph_of(agent_node); }

std::string last(const af::RunResult<af::AgentState>& r) { return r->messages.back().text(); }

/// The codes of what `compile()` finds.
std::vector<af::errc> problems(const af::StateGraph<>& graph) {
  std::vector<af::errc> codes;
  try {
    graph.compile();
  } catch (const af::graph_error& e) {
    for (const auto& p : e.problems()) codes.push_back(p.code);
  }
  return codes;
}

}  // namespace

TEST_CASE("1 runs live on the event loop of the application, and on no other", "[seed]") {
  asio::io_context io;
  const void* seen = nullptr;
  auto node = [&](af::AgentState s) -> asio::awaitable<af::AgentState> {
    const auto executor = co_await asio::this_coro::executor;
    seen = &asio::query(executor, asio::execution::context);
    co_return s;
  };
  const App app = graph_of(node).compile();
  asio::co_spawn(io, app.ainvoke("Hello"), [](std::exception_ptr e, af::RunResult<af::AgentState>) {
    if (e) std::rethrow_exception(e);
  });
  CHECK(seen == nullptr);  // nothing runs before the application's loop does
  io.run();
  CHECK(seen == &static_cast<asio::execution_context&>(io));
}

TEST_CASE("2 both worlds give the same result and the same errors", "[seed]") {
  const App app = build_graph().compile();
  VirtualLoop loop;
  CHECK(last(app.invoke("Hello")) == last(loop.run(app.ainvoke("Hello"))));

  const App broken = graph_of([](const af::AgentState&) -> std::string { throw std::runtime_error("no"); }).compile();
  auto code = [](auto&& call) {
    try {
      call();
    } catch (const af::node_error& e) {
      return std::string(e.message());
    }
    return std::string("nothing thrown");
  };
  CHECK(code([&] { broken.invoke("Hello"); }) == "node 'agent' failed: no");
  CHECK(code([&] { loop.run(broken.ainvoke("Hello")); }) == "node 'agent' failed: no");
}

TEST_CASE("3 an async application compiles, awaits, closes", "[seed]") {
  on_loop([]() -> asio::awaitable<void> {
    const auto graph = build_graph().compile();
    const auto result = co_await graph.ainvoke("Hello");
    CHECK(last(result) == "You said: Hello");
    const auto stats = co_await graph.aclose();
    CHECK(stats.clean());
  });
}

TEST_CASE("4 one graph serves all requests of a server on several threads", "[seed]") {
  const App app = build_graph().compile();
  asio::io_context io;
  std::atomic<int> right = 0;
  auto request = [&](int i) -> asio::awaitable<void> {
    const std::string text = std::to_string(i);
    const auto result = co_await app.ainvoke(text);
    right += last(result) == "You said: " + text;
  };
  for (int i = 0; i < 100; ++i)
    asio::co_spawn(asio::make_strand(io), request(i), [](std::exception_ptr e) {
      if (e) std::rethrow_exception(e);
    });
  std::thread second([&] { io.run(); });
  io.run();
  second.join();
  CHECK(right == 100);
}

TEST_CASE("6 a run streams its chunks", "[seed]") {
  on_loop([]() -> asio::awaitable<void> {
    const App app = build_graph().compile();
    auto stream = app.astream("Hello", af::RunConfig().stream(af::stream_mode::messages));
    std::string text;
    while (auto chunk = co_await stream.next()) text += chunk->content();
    CHECK(text == "You said: Hello");
  });
}

TEST_CASE("7 a script is one expression, temporaries and all", "[seed]") {
  CHECK(last(build_graph().compile().invoke("Hello")) == "You said: Hello");
  CHECK(fmt::format("{}", build_graph().compile().invoke("Hello")).find("You said: Hello") != std::string::npos);
}

TEST_CASE("8 an empty graph says what it lacks", "[seed]") {
  CHECK(problems(af::StateGraph<>()) == std::vector{af::errc::graph_no_entry});
  CHECK(af::code_name(af::errc::graph_no_entry) == "GRAPH_002");
}

TEST_CASE("9 invoke may be called from any number of plain threads at once", "[seed]") {
  const App app = build_graph().compile();
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) right += last(app.invoke(std::to_string(t))) == "You said: " + std::to_string(t);
    });
  for (auto& t : threads) t.join();
  CHECK(right == 200);
}

TEST_CASE("10 a unit test of a graph is one line", "[seed]") {
  const App app = graph_of([](const af::AgentState&) { return "ok"; }).compile();
  REQUIRE(app.invoke("Hello")->messages.back().text() == "ok");
}

TEST_CASE("12 the error for a nested loop names what to write instead", "[seed]") {
  on_loop([]() -> asio::awaitable<void> {
    const App app = build_graph().compile();
    std::string message;
    try {
      app.invoke("Hello");
    } catch (const af::nested_loop_error& e) {
      message = e.message();
    }
    CHECK(message.find("co_await ainvoke()") != std::string::npos);
    co_await app.ainvoke("Hello");
  });
}

TEST_CASE("13 with_graph closes when the body throws", "[seed]") {
  on_loop([]() -> asio::awaitable<void> {
    const App app = build_graph().compile();
    bool thrown = false;
    try {
      auto body = [](App&) -> asio::awaitable<void> {
        throw std::runtime_error("no");
        co_return;
      };
      co_await af::with_graph(app, body);
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    CHECK(thrown);
    CHECK(app.closed());
    CHECK_THROWS_AS(co_await app.ainvoke("Hello"), af::graph_closed_error);
  });
}

TEST_CASE("14 with_graph is the context manager, and close its blocking form", "[seed]") {
  on_loop([]() -> asio::awaitable<void> {
    auto body = [](App& app) -> asio::awaitable<std::string> {
      const auto result = co_await app.ainvoke("Hello");
      co_return last(result);
    };
    const App app = build_graph().compile();
    const auto both = co_await af::with_graph(app, body);
    CHECK(both.first == "You said: Hello");
    CHECK(both.second.clean());
  });
  const App app = build_graph().compile();
  app.invoke("Hello");
  CHECK(app.close().clean());
  CHECK(app.close().clean());  // again is the same
}

TEST_CASE("15 a node that blocks the loop is named", "[seed]") {
  VirtualLoop loop;
  std::ostringstream log;
  auto logger = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log));
  auto block = [&](af::AgentState s) -> asio::awaitable<af::AgentState> {
    loop.clock()->advance(5s);  // as a sleep of the thread would
    co_return s;
  };
  const App app =
      graph_of(block).compile(af::CompileOptions().clock(loop.clock()).logger(logger).debug(af::DebugOptions()));
  loop.run(app.ainvoke("Hello"));
  CHECK(log.str().find("agent step=1") != std::string::npos);
  CHECK(log.str().find("5.000 s") != std::string::npos);
}

TEST_CASE("21 the input literal: messages, a message, or a state that has them", "[seed]") {
  const App app = build_graph().compile();
  af::AgentState state;
  state.messages = {af::Message::from_text("Hello")};
  CHECK(last(app.invoke(state)) == "You said: Hello");
  CHECK(last(app.invoke(af::Message::from_text("Hello"))) == "You said: Hello");
  CHECK(last(app.invoke(std::vector<af::Message>{af::Message::from_text("Hello")})) == "You said: Hello");
}

TEST_CASE("22 Message::from_text makes a message of the user", "[seed]") {
  const auto m = af::Message::from_text("Hello");
  CHECK(m.text() == "Hello");
  CHECK(m.role() == af::Role::user);
}

TEST_CASE("23 a chunk has a content type and a content", "[seed]") {
  const App app = build_graph().compile();
  std::string text;
  for (const af::Chunk& chunk : app.stream("Hello"))
    if (chunk.content_type() == af::content_type::message) text += chunk.content();
  CHECK(text == "You said: Hello");
}

TEST_CASE("28 after a timeout the thread can be used again", "[seed]") {
  VirtualLoop loop;
  bool slow = true;
  auto node = [&](const af::AgentState&, af::NodeContext& ctx) -> asio::awaitable<std::string> {
    if (slow) co_await ctx.sleep(1h);
    co_return "done";
  };
  const App app = graph_of(node).compile(af::CompileOptions().clock(loop.clock()));
  const auto config = af::RunConfig().thread_id("alice");
  CHECK_THROWS_AS(loop.run(af::timeout(app.ainvoke("Hello", config), 30s)), af::timeout_error);
  slow = false;
  CHECK(last(loop.run(app.ainvoke("Hello", config))) == "done");
}

TEST_CASE("40 a node may be a function or a coroutine, and add_node takes both", "[seed]") {
  struct Functor {
    af::AgentState operator()(af::AgentState s) const { return s; }
  };
  auto plain = [](af::AgentState s) { return s; };
  auto async = [](af::AgentState s) -> asio::awaitable<af::AgentState> { co_return s; };
  af::StateGraph<> graph;
  graph.add_node("plain", plain).add_node("async", async).add_node("functor", Functor()).add_node("free", agent_node);
  graph.set_entry_point("plain").add_edge("plain", "async").add_edge("async", "functor");
  graph.add_edge("functor", "free").add_edge("free", "END");
  const auto result = graph.compile().invoke("Hello");
  CHECK(result.steps() == 4);
  CHECK(last(result) == "You said: Hello");
}

TEST_CASE("41 invoke becomes co_await ainvoke with the same arguments", "[seed]") {
  const App app = build_graph().compile();
  const auto config = af::RunConfig().thread_id("alice").recursion_limit(3);
  const auto before = app.invoke("Hello", config);
  VirtualLoop loop;
  const auto after = loop.run(app.ainvoke("Hello", config));
  CHECK(before.thread_id() == after.thread_id());
  CHECK(before.steps() == after.steps());
}

TEST_CASE("43 main becomes a call of run", "[seed]") {
  auto amain = []() -> asio::awaitable<void> {
    const App app = build_graph().compile();
    co_await app.ainvoke("Hello");
  };
  CHECK(af::run(amain()) == 0);
}

TEST_CASE("44 one header declares all of it", "[seed]") {
  STATIC_REQUIRE(std::is_class_v<af::StateGraph<>>);
  STATIC_REQUIRE(std::is_class_v<af::GracefulShutdownManager>);
  STATIC_REQUIRE(std::is_class_v<af::ShutdownStats>);
  STATIC_REQUIRE(std::is_class_v<af::Generator<int>>);
}

TEST_CASE("45 an async node is a coroutine from state to state", "[seed]") {
  STATIC_REQUIRE(std::is_same_v<decltype(agent_node(af::AgentState())), asio::awaitable<af::AgentState>>);
  CHECK(last(build_graph().compile().invoke("Hello")) == "You said: Hello");
}

TEST_CASE("46 the default state is a conversation", "[seed]") {
  STATIC_REQUIRE(std::is_same_v<af::StateGraph<>, af::StateGraph<af::AgentState>>);
  CHECK(build_graph().compile().invoke("Hello")->messages.size() == 2);
}

TEST_CASE("47 a node needs a name, and one of its own", "[seed]") {
  CHECK(problems(build_graph().add_node("", agent_node)).front() == af::errc::graph_bad_name);
  CHECK(problems(build_graph().add_node("agent", agent_node)).front() == af::errc::graph_bad_name);
}

TEST_CASE("48 an entry point is checked by compile", "[seed]") {
  const auto codes = problems(build_graph().set_entry_point("nobody"));
  CHECK(codes == std::vector{af::errc::graph_unknown_name});
}

TEST_CASE("49 the literals START and END mean the constants", "[seed]") {
  af::StateGraph<> graph;
  graph.add_node("agent", agent_node).add_edge("START", "agent").add_edge("agent", "END");
  CHECK(graph.compile().invoke("Hello").steps() == 1);
  CHECK(std::string_view(af::START) == "START");
  CHECK(std::string_view(af::END) == "END");
  CHECK(problems(build_graph().add_node("END", agent_node)).front() == af::errc::graph_bad_name);
}

TEST_CASE("50 compile takes the time that closing may take", "[seed]") {
  CHECK(af::CompileOptions().shutdown_timeout() == 30s);
  CHECK(af::CompileOptions().shutdown_timeout(5s).shutdown_timeout() == 5s);
  VirtualLoop loop;
  bool started = false;
  auto stubborn = [&](const af::AgentState&, af::NodeContext& ctx) -> asio::awaitable<std::string> {
    started = true;
    co_await ctx.sleep(1h);
    co_return "done";
  };
  const App app = graph_of(stubborn).compile(af::CompileOptions().clock(loop.clock()).shutdown_timeout(5s));
  auto run = app.start(loop.executor(), "Hello");
  const auto stats = loop.run(app.aclose());
  CHECK(started);
  CHECK(stats.runs.cancelled == 1);
  CHECK(loop.clock()->passed() < 7s);
}

TEST_CASE("51 a manager may be made and registered before the graph or after it", "[seed]") {
  on_loop([]() -> asio::awaitable<void> {
    const auto executor = co_await asio::this_coro::executor;
    for (const bool first : {true, false}) {
      std::optional<af::GracefulShutdownManager> manager;
      if (first) manager.emplace(executor, 30s);
      const App app = build_graph().compile(af::CompileOptions().shutdown_timeout(30s));
      if (!first) manager.emplace(executor, 30s);
      manager->register_signal_handlers();
      co_await manager->run_until_shutdown(app.ainvoke("Hello"));
      auto close = [&app] { return app.aclose(); };
      const auto stats = co_await manager->finally(close);
      CHECK(stats.clean());
      CHECK(manager->exit_code() == 0);
    }
  });
}

TEST_CASE("52 a result prints, in three ways that agree", "[seed]") {
  const auto result = build_graph().compile().invoke("Hello");
  std::ostringstream out;
  out << result;
  CHECK(out.str() == result.to_json());
  CHECK(fmt::format("{}", result) == result.to_json());
  CHECK(result.to_json().find("\"status\":\"completed\"") != std::string::npos);
}

TEST_CASE("55 the sync application needs no event loop and no manager", "[seed]") {
  af::StateGraph<> graph;
  graph.add_node("agent", [](af::AgentState s) { return s; });
  graph.set_entry_point("agent").add_edge("agent", "END");
  CHECK(last(graph.compile().invoke(af::Message::from_text("Hello"))) == "Hello");
}

TEST_CASE("56 a blocking node does not stall the others on the loop", "[seed]") {
  on_loop([]() -> asio::awaitable<void> {
    std::promise<void> loop_is_free;
    auto node = af::blocking([&](const af::AgentState&) -> std::string {
      return loop_is_free.get_future().wait_for(20s) == std::future_status::ready ? "free" : "stalled";
    });
    const App app = graph_of(std::move(node)).compile();
    auto other = [&]() -> asio::awaitable<void> {
      co_await give_way(3);
      loop_is_free.set_value();
    };
    const auto both = co_await af::gather(app.ainvoke("Hello"), other());
    CHECK(last(std::get<0>(both)) == "free");
  });
}

TEST_CASE("57 a thousand runs that wait share one thread", "[seed]") {
  VirtualLoop loop;
  auto wait = [](const af::AgentState&, af::NodeContext& ctx) -> asio::awaitable<std::string> {
    co_await ctx.sleep(1s);
    co_return "done";
  };
  const App app = graph_of(wait).compile(af::CompileOptions().clock(loop.clock()));
  std::vector<std::string> inputs(1000, "Hello");
  const auto results = loop.run(af::gather(app, std::move(inputs), af::GatherOptions().limit(0)));
  CHECK(results.size() == 1000);
  CHECK(loop.clock()->passed() == 1s);
}

TEST_CASE("59 a tiny operation takes no trip through an event loop", "[seed]") {
  // A chain of plain functions, awaited: however long it is, the loop sees a handful of handlers.
  auto handlers = [](int nodes) {
    af::StateGraph<> graph;
    for (int i = 0; i < nodes; ++i) {
      graph.add_node("n" + std::to_string(i), [](af::AgentState s) { return s; });
      graph.add_edge(i == 0 ? "START" : "n" + std::to_string(i - 1), "n" + std::to_string(i));
    }
    graph.add_edge("n" + std::to_string(nodes - 1), "END");
    VirtualLoop loop;
    loop.run(graph.compile().ainvoke("Hello", af::RunConfig().recursion_limit(1000)));
    return loop.handlers();
  };
  CHECK(handlers(100) == handlers(1));
}

TEST_CASE("60 a run that waits costs a few kilobytes, not a thread", "[seed]") {
  VirtualLoop loop;
  auto wait = [](const af::AgentState&, af::NodeContext& ctx) -> asio::awaitable<std::string> {
    co_await ctx.sleep(1h);
    co_return "done";
  };
  const App app = graph_of(wait).compile(af::CompileOptions().clock(loop.clock()));
  std::vector<af::Run<af::AgentState>> runs;
  for (int i = 0; i < 1000; ++i) runs.push_back(app.start(loop.executor(), "Hello"));
  loop.run([]() -> asio::awaitable<void> { co_await give_way(3); }());
  CHECK(loop.clock()->pending() == 1000);  // all of them wait, on this one thread
}

TEST_CASE("62 the log follows a run, and is silent without a logger", "[seed]") {
  std::ostringstream log;
  auto logger = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log));
  auto node = [](const af::AgentState&, af::NodeContext& ctx) {
    ctx.log(af::log_level::info, "thinking");
    return "done";
  };
  const auto result =
      graph_of(node).compile(af::CompileOptions().logger(logger)).invoke("Hello", af::RunConfig().thread_id("alice"));
  CHECK(log.str().find("run=" + result.run_id().to_string()) != std::string::npos);
  CHECK(log.str().find("thread=alice") != std::string::npos);
  CHECK(log.str().find("agent step=1 attempt=1: thinking") != std::string::npos);
  const std::string before = log.str();
  graph_of(node).compile().invoke("Hello");
  CHECK(log.str() == before);
}

TEST_CASE("64 the guide ends with its references, and those within the project are there", "[seed]") {
  std::ifstream file(AGENTFLOW_DOCS "async_patterns.md");
  std::string line;
  int web = 0, own = 0;
  bool within = false;
  while (std::getline(file, line)) {
    if (line.starts_with("## ")) within = line == "## References";
    if (!within) continue;
    for (auto at = line.find("]("); at != line.npos; at = line.find("](", at + 2)) {
      const std::string target = line.substr(at + 2, line.find(')', at) - at - 2);
      if (target.starts_with("https://")) {
        ++web;
      } else {
        ++own;
        INFO(target);
        CHECK(std::filesystem::exists(AGENTFLOW_DOCS + target));
      }
    }
  }
  CHECK(within);  // nothing comes after them
  CHECK(web >= 3);
  CHECK(own >= 2);
}

// SPDX-License-Identifier: MIT
// The corpus: the graphs, each with what it comes to.
#include "support/corpus.hpp"

#include <initializer_list>

#include <asio/thread_pool.hpp>

#include "support/corpus_nodes.hpp"

namespace corpus {
namespace {

using Graph = af::StateGraph<Doc>;
using Build = std::function<void(Graph&)>;
using af::NodeOptions;
using af::RetryPolicy;
using af::RunConfig;

/// START, the nodes in turn, END.
void chain(Graph& g, std::initializer_list<std::string_view> names) {
  std::string_view last = "START";
  for (auto name : names) {
    g.add_edge(last, name);
    last = name;
  }
  g.add_edge(last, "END");
}

/// START to each, each to `join` (a plain edge: once, when the step is over), and that to END.
void fan(Graph& g, std::initializer_list<std::string_view> names, std::string_view join) {
  for (auto name : names) g.add_edge("START", name).add_edge(name, join);
  g.add_edge(join, "END");
}

Doc doc_input() {
  Doc input;
  input.log.push_back(Word("in"));
  return input;
}

RunConfig on_thread(RunConfig config, const Case::Store& store) {
  if (store) config.thread_id("t");
  return config;
}

Case doc(std::string name, std::string expected, Build build, RunConfig config = {}, af::CompileOptions options = {}) {
  auto make = [build = std::move(build), config = std::move(config), options = std::move(options)](
                  const std::shared_ptr<af::Clock>& clock, const Case::Store& store) {
    Graph g;
    build(g);
    auto with_clock = options;
    with_clock.clock(clock).checkpointer(store);
    return std::make_unique<ProgramOf<Doc>>(g.compile(std::move(with_clock)), doc_input, on_thread(config, store));
  };
  return Case(std::move(name), std::move(expected), std::move(make));
}
Case threaded(Case c) {
  c.threads = true;
  return c;
}
Case foreign(Case c) {
  c.threads = c.foreign = true;
  return c;
}

Case timed(Case c) {
  c.timed = true;
  return c;
}

NodeOptions retry(int attempts, nanoseconds backoff = 1s) {
  return NodeOptions().retry(RetryPolicy().attempts(attempts).backoff(backoff));
}

af::CompiledGraph<Doc> compiled(const Build& build) {
  Graph g;
  build(g);
  return g.compile();
}
/// A graph to be a part of others: a plain step and a sleeping one.
af::CompiledGraph<Doc> part(const std::string& word) {
  return compiled([&](Graph& g) {
    g.add_node("p", Say(word + "1")).add_node("q", Nap(word + "2", 2s));
    chain(g, {"p", "q"});
  });
}

/// The state of graphs that `mapped` subgraphs run.
struct Inner {
  std::vector<std::string> words;
  int depth = 0;
};
AGENTFLOW_STATE(Inner, (words, af::append), depth)

af::CompiledGraph<Inner> inner_graph() {
  af::StateGraph<Inner> g;
  g.add_node("x", [](Inner s) {
    s.words.push_back("x" + std::to_string(s.depth));
    return s;
  });
  g.add_node("y", [](Inner s, af::NodeContext& ctx) -> asio::awaitable<Inner> {
    co_await ctx.sleep(1s);
    s.words.push_back("y");
    co_return s;
  });
  g.add_edge("START", "x").add_edge("START", "y").add_edge("x", "END").add_edge("y", "END");
  return g.compile();
}
Inner to_inner(const Doc& s) {
  Inner i;
  i.depth = s.n;
  return i;
}
af::Update<Doc> from_inner(const Doc&, Inner i) {
  af::Update<Doc> u;
  std::vector<Word> words;
  for (auto& w : i.words) words.emplace_back(std::move(w));
  u.write<&Doc::log>(std::move(words));
  return u;
}

/// Threads that are not the library's.
asio::thread_pool& other_threads() {
  static asio::thread_pool pool(1);
  return pool;
}

void add_sequences(std::vector<Case>& all) {
  all.push_back(doc("sync chain", R"({"log":["in","a","b","c"],"n":3})", [](Graph& g) {
    g.add_node("a", Say("a")).add_node("b", Say("b")).add_node("c", Say("c"));
    chain(g, {"a", "b", "c"});
  }));
  all.push_back(doc("immediate coroutines", R"({"log":["in","a","b"],"n":2})", [](Graph& g) {
    g.add_node("a", Hop("a", 0)).add_node("b", Hop("b", 0));
    chain(g, {"a", "b"});
  }));
  all.push_back(doc("posting chain", R"({"log":["in","a","b","c"],"n":3})", [](Graph& g) {
    g.add_node("a", Hop("a", 1)).add_node("b", Hop("b", 2)).add_node("c", Hop("c", 1));
    chain(g, {"a", "b", "c"});
  }));
  all.push_back(doc("sleeping chain", R"({"log":["in","a","b"],"n":2})", [](Graph& g) {
    g.add_node("a", Nap("a", 1h)).add_node("b", Nap("b", 1s));
    chain(g, {"a", "b"});
  }));
  all.push_back(doc("mixed chain", R"({"log":["in","a","b","c","d"],"n":4})", [](Graph& g) {
    g.add_node("a", Say("a")).add_node("b", Lend("b")).add_node("c", Tell("c")).add_node("d", Nap("d", 1s));
    chain(g, {"a", "b", "c", "d"});
  }));
  all.push_back(doc("nodes without a result", R"({"log":["in","a"],"n":1})", [](Graph& g) {
    g.add_node("l", Look("l")).add_node("e", Emit("e", 2)).add_node("a", Say("a"));
    chain(g, {"l", "e", "a"});
  }));
  all.push_back(doc("one-writer field", R"({"log":["in","a","b"],"n":2,"last":"b"})", [](Graph& g) {
    g.add_node("a", Sign("a")).add_node("b", Sign("b"));
    chain(g, {"a", "b"});
  }));
  all.push_back(doc("loop of functions", R"({"log":["in","a","a","a","a","a","b"],"n":6})", [](Graph& g) {
    g.add_node("a", Say("a")).add_node("b", Say("b"));
    g.set_entry_point("a").add_conditional_edges("a", Until{5, "a", "b"}, {"a", "b"}).add_edge("b", "END");
  }));
  all.push_back(doc("loop of coroutines", R"({"log":["in","a","a","a","a"],"n":4})", [](Graph& g) {
    g.add_node("a", Hop("a", 1));
    g.set_entry_point("a").add_conditional_edges("a", Until{4, "a", "END"}, {"a", "END"});
  }));
  all.push_back(doc(
      "loop of functions that gives way", R"({"log":["in"],"n":300})",
      [](Graph& g) {
        g.add_node("a", [](const Doc&) { return af::Update<Doc>().write<&Doc::n>(1); });
        g.set_entry_point("a").add_conditional_edges("a", Until{300, "a", "END"}, {"a", "END"});
      },
      RunConfig().recursion_limit(300)));
  all.push_back(doc(
      "loop long enough to give way", R"({"n":140})",
      [](Graph& g) {
        g.add_node("a", [](const Doc&) { return af::Update<Doc>().write<&Doc::n>(1); });
        g.add_node("b", [](Doc s) -> asio::awaitable<Doc> {
          s.log.clear();
          co_return s;
        });
        g.set_entry_point("a").add_conditional_edges("a", Until{140, "a", "b"}, {"a", "b"}).add_edge("b", "END");
      },
      RunConfig().recursion_limit(200)));
}

void add_branches(std::vector<Case>& all) {
  all.push_back(doc("fan-out of functions", R"({"log":["in","a","b","c","d","z"],"n":5})", [](Graph& g) {
    g.add_node("a", Say("a"))
        .add_node("b", Tell("b"))
        .add_node("c", Say("c"))
        .add_node("d", Say("d"))
        .add_node("z", Say("z"));
    fan(g, {"a", "b", "c", "d"}, "z");
  }));
  all.push_back(doc("fan-out of two that post", R"({"log":["in","a","b","z"],"n":3})", [](Graph& g) {
    g.add_node("a", Hop("a", 2)).add_node("b", Hop("b", 1)).add_node("z", Say("z"));
    fan(g, {"a", "b"}, "z");
  }));
  all.push_back(doc("fan-out that ends in reverse order", R"({"log":["in","a","b","c","z"],"n":4})", [](Graph& g) {
    g.add_node("a", Nap("a", 3s)).add_node("b", Nap("b", 2s)).add_node("c", Nap("c", 1s)).add_node("z", Hop("z", 1));
    fan(g, {"a", "b", "c"}, "z");
  }));
  all.push_back(doc("fan-out of five kinds", R"({"log":["in","a","b","c","d","e","z"],"n":6})", [](Graph& g) {
    g.add_node("a", Hop("a", 0))
        .add_node("b", Say("b"))
        .add_node("c", Nap("c", 1s))
        .add_node("d", Lend("d"))
        .add_node("e", Tell("e"));
    g.add_node("z", Say("z"));
    fan(g, {"a", "b", "c", "d", "e"}, "z");
  }));
  all.push_back(doc("fan-out of eight", R"({"log":["in","a","b","c","d","e","f","g","h","z"],"n":9})", [](Graph& g) {
    for (const char* n : {"a", "b", "c", "d", "e", "f", "g", "h"}) g.add_node(n, Hop(n, 1));
    g.add_node("z", Say("z"));
    fan(g, {"a", "b", "c", "d", "e", "f", "g", "h"}, "z");
  }));
  all.push_back(doc(
      "one branch at a time", R"({"log":["in","a","b","c","z"],"n":4})",
      [](Graph& g) {
        g.add_node("a", Nap("a", 1s)).add_node("b", Say("b")).add_node("c", Hop("c", 1)).add_node("z", Say("z"));
        fan(g, {"a", "b", "c"}, "z");
      },
      RunConfig().max_concurrency(1)));
  all.push_back(doc(
      "two branches at a time", R"({"log":["in","a","b","c","d","z"],"n":5})",
      [](Graph& g) {
        g.add_node("a", Nap("a", 4s))
            .add_node("b", Nap("b", 1s))
            .add_node("c", Nap("c", 1s))
            .add_node("d", Hop("d", 2));
        g.add_node("z", Say("z"));
        fan(g, {"a", "b", "c", "d"}, "z");
      },
      RunConfig().max_concurrency(2)));
  all.push_back(doc(
      "shuffled fan-out", R"({"log":["in","a","b","c","z"],"n":4})",
      [](Graph& g) {
        g.add_node("a", Say("a")).add_node("b", Hop("b", 1)).add_node("c", Say("c")).add_node("z", Say("z"));
        fan(g, {"a", "b", "c"}, "z");
      },
      RunConfig().shuffle(7)));
  all.push_back(
      doc("all reducers",
          R"({"log":["in","a","b"],"n":2,"tags":["a","b"],"table":{"a":3,"b":5},"high":5,"low":-5,"cells":[3,5]})",
          [](Graph& g) {
            g.add_node("a", Fill("a", 3)).add_node("b", Fill("b", 5));
            for (const char* n : {"a", "b"}) g.add_edge("START", n).add_edge(n, "END");
          }));
  all.push_back(doc("join of two", R"({"log":["in","a","b","z"],"n":3})", [](Graph& g) {
    g.add_node("a", Nap("a", 1s)).add_node("b", Hop("b", 1)).add_node("z", Say("z"));
    g.set_entry_point("a").set_entry_point("b").add_edge({"a", "b"}, "z").add_edge("z", "END");
  }));
  all.push_back(doc("join of uneven paths", R"({"log":["in","a","b","c","d","z"],"n":5})", [](Graph& g) {
    g.add_node("a", Say("a"))
        .add_node("b", Hop("b", 1))
        .add_node("c", Nap("c", 1s))
        .add_node("d", Say("d"))
        .add_node("z", Hop("z", 1));
    g.set_entry_point("a").set_entry_point("b").add_edge("b", "c").add_edge("c", "d");
    g.add_edge({"a", "d"}, "z").add_edge("z", "END");
  }));
  all.push_back(doc("two joins in turn", R"({"log":["in","a","b","c","d","e","f"],"n":6})", [](Graph& g) {
    g.add_node("a", Hop("a", 1))
        .add_node("b", Hop("b", 2))
        .add_node("c", Say("c"))
        .add_node("d", Nap("d", 1s))
        .add_node("e", Hop("e", 1));
    g.add_node("f", Say("f"));
    g.set_entry_point("a").set_entry_point("b").add_edge({"a", "b"}, "c").add_edge("c", "d").add_edge("c", "e");
    g.add_edge({"d", "e"}, "f").add_edge("f", "END");
  }));
  all.push_back(doc("deferred", R"({"log":["in","a","b","c","z"],"n":4})", [](Graph& g) {
    g.add_node("a", Say("a")).add_node("b", Hop("b", 1)).add_node("c", Nap("c", 1s));
    g.add_node("z", Hop("z", 1), NodeOptions().defer());
    g.set_entry_point("a").set_entry_point("b").add_edge("b", "c").add_edge("a", "z").add_edge("c", "z").add_edge(
        "z", "END");
  }));
  all.push_back(doc("loop with branches in it", R"({"log":["in","a","b","c","a","b","c"],"n":6})", [](Graph& g) {
    g.add_node("a", Say("a")).add_node("b", Hop("b", 1)).add_node("c", Nap("c", 1s));
    g.set_entry_point("a").add_edge("a", "b").add_edge("a", "c");
    g.add_node("d", Look("d")).add_edge({"b", "c"}, "d").add_conditional_edges("d", Until{6, "a", "END"}, {"a", "END"});
  }));
}

void add_routing(std::vector<Case>& all) {
  all.push_back(doc("router", R"({"log":["in","a","c"],"n":2})", [](Graph& g) {
    g.add_node("a", Hop("a", 1)).add_node("b", Say("b")).add_node("c", Hop("c", 1));
    g.set_entry_point("a")
        .add_conditional_edges("a", Until{1, "b", "c"}, {"b", "c"})
        .add_edge("b", "END")
        .add_edge("c", "END");
  }));
  all.push_back(doc("router that suspends", R"({"log":["in","a","a","b"],"n":3})", [](Graph& g) {
    g.add_node("a", Say("a")).add_node("b", Say("b"));
    g.set_entry_point("a").add_conditional_edges("a", UntilLater{2, "a", "b"}, {"a", "b"}).add_edge("b", "END");
  }));
  all.push_back(doc("router to several", R"({"log":["in","a","b","c"],"n":3})", [](Graph& g) {
    g.add_node("a", Say("a")).add_node("b", Hop("b", 1)).add_node("c", Nap("c", 1s));
    g.set_entry_point("a").add_conditional_edges("a", Both{{"c", "b"}}).add_edge("b", "END").add_edge("c", "END");
  }));
  all.push_back(doc("routers at START", R"({"log":["in","a","b"],"n":2})", [](Graph& g) {
    g.add_node("a", Hop("a", 1)).add_node("b", Hop("b", 1));
    g.add_conditional_edges("START", UntilLater{1, "a", "END"}, {"a", "END"})
        .add_conditional_edges("START", Until{1, "b", "END"}, {"b", "END"});
    g.add_edge("a", "END").add_edge("b", "END");
  }));
  all.push_back(doc("map and reduce", R"({"log":["in","a","i","i","i","z"],"n":5,"cells":[1,4,9]})", [](Graph& g) {
    g.add_node("a", Say("a")).add_node("item", Map("i")).add_node("z", Say("z"));
    g.set_entry_point("a").add_conditional_edges("a", Spread{3}, {"item"}).add_edge("item", "z").add_edge("z", "END");
  }));
  all.push_back(doc("map with functions", R"({"log":["in","i","i"],"n":2,"cells":[101,102]})", [](Graph& g) {
    g.add_node("item", MapNow("i"));
    g.add_conditional_edges("START", Spread{2}, {"item"}).add_edge("item", "END");
  }));
  all.push_back(doc("map by command", R"({"log":["in","a","i","i"],"n":3,"cells":[1,4]})", [](Graph& g) {
    g.add_node("a", Scatter("a"), NodeOptions().destinations({"item"})).add_node("item", Map("i"));
    g.set_entry_point("a").add_edge("item", "END");
  }));
  all.push_back(doc(
      "map one at a time", R"({"log":["in","i","i","i","i"],"n":4,"cells":[1,4,9,16]})",
      [](Graph& g) {
        g.add_node("item", Map("i"));
        g.add_conditional_edges("START", Spread{4}, {"item"}).add_edge("item", "END");
      },
      RunConfig().max_concurrency(1)));
  all.push_back(doc("command", R"({"log":["in","a","b"],"n":2})", [](Graph& g) {
    g.add_node("a", Go("a", {"b"}), NodeOptions().destinations({"b", "c"}))
        .add_node("b", Hop("b", 1))
        .add_node("c", Say("c"));
    g.set_entry_point("a").add_edge("b", "END").add_edge("c", "END");
  }));
  all.push_back(doc("command to several", R"({"log":["in","a","b","c"],"n":3})", [](Graph& g) {
    g.add_node("a", GoLater("a", {"c", "b"})).add_node("b", Hop("b", 1)).add_node("c", Hop("c", 2));
    g.set_entry_point("a").add_edge("b", "END").add_edge("c", "END");
  }));
  all.push_back(doc("command and edges", R"({"log":["in","a","b","c"],"n":3})", [](Graph& g) {
    g.add_node("a", Go("a", {"b"}), NodeOptions().edges(af::edges::both))
        .add_node("b", Say("b"))
        .add_node("c", Nap("c", 1s));
    g.set_entry_point("a").add_edge("a", "c").add_edge("b", "END").add_edge("c", "END");
  }));
}

void add_parts(std::vector<Case>& all) {
  all.push_back(doc("subgraph", R"({"log":["in","a","p1","p2","b"],"n":4})", [](Graph& g) {
    g.add_node("a", Say("a")).add_node("s", part("p")).add_node("b", Hop("b", 1));
    chain(g, {"a", "s", "b"});
  }));
  all.push_back(doc("subgraph of functions", R"({"log":["in","a","x","y"],"n":3})", [](Graph& g) {
    g.add_node("a", Hop("a", 1)).add_node("s", compiled([](Graph& i) {
                                            i.add_node("x", Say("x")).add_node("y", Say("y"));
                                            chain(i, {"x", "y"});
                                          }));
    chain(g, {"a", "s"});
  }));
  all.push_back(doc("subgraph of another state", R"({"log":["in","a","x1","y"],"n":1})", [](Graph& g) {
    g.add_node("a", Say("a")).add_subgraph("s", inner_graph(), to_inner, from_inner);
    chain(g, {"a", "s"});
  }));
  all.push_back(doc("subgraphs three deep", R"({"log":["in","p1","p2","m","o"],"n":4})", [](Graph& g) {
    const auto middle = compiled([](Graph& m) {
      m.add_node("deep", part("p")).add_node("m", Hop("m", 1));
      chain(m, {"deep", "m"});
    });
    g.add_node("s", middle).add_node("o", Say("o"));
    chain(g, {"s", "o"});
  }));
  all.push_back(doc("subgraphs side by side", R"({"log":["in","p1","p2","q1","q2","x0","y","z"],"n":5})", [](Graph& g) {
    g.add_node("s", part("p"))
        .add_node("t", part("q"))
        .add_subgraph("u", inner_graph(), to_inner, from_inner)
        .add_node("z", Say("z"));
    fan(g, {"s", "t", "u"}, "z");
  }));
  all.push_back(doc("subgraph in a loop", R"({"log":["in","p1","p2","p1","p2"],"n":4})", [](Graph& g) {
    g.add_node("s", part("p"));
    g.set_entry_point("s").add_conditional_edges("s", Until{4, "s", "END"}, {"s", "END"});
  }));
  all.push_back(doc("subgraph that is retried", R"({"log":["in","f","z"],"n":2})", [](Graph& g) {
    const auto flaky = compiled([](Graph& i) {
      i.add_node("f", Flaky("f", 2, true), retry(3));
      chain(i, {"f"});
    });
    g.add_node("s", flaky, retry(2)).add_node("z", Hop("z", 1));
    chain(g, {"s", "z"});
  }));
  all.push_back(timed(doc("subgraph past its time", R"({"log":["in","excuse"],"n":1})", [](Graph& g) {
    const auto slow = compiled([](Graph& i) {
      i.add_node("a", Nap("a", 24h)).add_node("b", Nap("b", 24h));
      for (const char* n : {"a", "b"}) i.add_edge("START", n).add_edge(n, "END");
    });
    g.add_node("s", slow, NodeOptions().timeout(5s)).on_error("s", Excuse("excuse"));
    chain(g, {"s"});
  })));
  all.push_back(doc("run within a node", R"({"log":["in","p1","p2","w"],"n":3})", [](Graph& g) {
    g.add_node("w", Within("w", compiled([](Graph& i) {
                             i.add_node("p", Say("p1")).add_node("q", Hop("p2", 2));
                             chain(i, {"p", "q"});
                           })));
    chain(g, {"w"});
  }));
}

void add_limits(std::vector<Case>& all) {
  all.push_back(doc("retry", R"({"log":["in","f"],"n":1})", [](Graph& g) {
    g.add_node("f", Flaky("f", 3, false), retry(3));
    chain(g, {"f"});
  }));
  all.push_back(doc("retries side by side", R"({"log":["in","a","b","c","z"],"n":4})", [](Graph& g) {
    g.add_node("a", Flaky("a", 2, true), retry(2))
        .add_node("b", Flaky("b", 3, false), retry(3, 250ms))
        .add_node("c", Nap("c", 9s));
    g.add_node("z", Say("z"));
    fan(g, {"a", "b", "c"}, "z");
  }));
  all.push_back(doc(
      "retry by default", R"({"log":["in","f","a"],"n":2})",
      [](Graph& g) {
        g.add_node("f", Flaky("f", 2, true)).add_node("a", Say("a"));
        chain(g, {"f", "a"});
      },
      {}, af::CompileOptions().node_defaults(retry(2, 0s))));
  all.push_back(timed(doc("timeout and retry", R"({"log":["in","s"],"n":1})", [](Graph& g) {
    g.add_node("s", Slow("s", 2), retry(2).timeout(5s));
    chain(g, {"s"});
  })));
  all.push_back(timed(doc("timeout and handler", R"({"log":["in","excuse","b"],"n":2})", [](Graph& g) {
    g.add_node("s", Nap("s", 24h), NodeOptions().timeout(5s))
        .add_node("b", Hop("b", 3))
        .on_error("s", Excuse("excuse"));
    for (const char* n : {"s", "b"}) g.add_edge("START", n).add_edge(n, "END");
  })));
  all.push_back(timed(doc("time limit that is kept", R"({"log":["in","s"],"n":1})", [](Graph& g) {
    g.add_node("s", Nap("s", 4s), NodeOptions().timeout(5s).idle_timeout(5s));
    chain(g, {"s"});
  })));
  all.push_back(timed(doc("idle timeout", R"({"log":["in","excuse"],"n":1})", [](Graph& g) {
    g.add_node("s", Nap("s", 24h), NodeOptions().idle_timeout(5s)).on_error(Excuse("excuse"));
    chain(g, {"s"});
  })));
  all.push_back(timed(doc("signs of life", R"({"log":["in","s"],"n":1})", [](Graph& g) {
    g.add_node("s", Beat("s", 4, 3s), NodeOptions().idle_timeout(5s));
    chain(g, {"s"});
  })));
  all.push_back(timed(doc(
      "limit for the run", R"({"log":["in","s","t"],"n":2})",
      [](Graph& g) {
        g.add_node("s", Nap("s", 4s)).add_node("t", Hop("t", 2));
        chain(g, {"s", "t"});
      },
      RunConfig().timeout(1h))));
  all.push_back(doc("handler of one of two", R"({"log":["in","excuse","b","z"],"n":3})", [](Graph& g) {
    g.add_node("a", Flaky("a", 9, true))
        .add_node("b", Nap("b", 1s))
        .add_node("z", Say("z"))
        .on_error("a", Excuse("excuse"));
    fan(g, {"a", "b"}, "z");
  }));
  all.push_back(doc("writers and slow readers", R"({"log":["in","w","w"],"n":2})", [](Graph& g) {
    g.add_node("w", Write("w", 3)).add_node("e", Emit("e", 3)).add_node("f", Emit("f", 2));
    g.set_entry_point("w").add_edge("w", "e").add_edge("w", "f");
    g.add_edge("e", "v").add_edge("f", "v").add_node("v", Write("w", 2)).add_edge("v", "END");
  }));
  all.push_back(threaded(doc(
      "blocking", R"({"log":["in","a","b","c"],"n":3})",
      [](Graph& g) {
        g.add_node("a", af::blocking(Say("a"))).add_node("b", Hop("b", 1)).add_node("c", af::blocking(Tell("c")));
        chain(g, {"a", "b", "c"});
      },
      {}, af::CompileOptions().blocking_threads(1))));
  all.push_back(threaded(doc(
      "blocking branches", R"({"log":["in","a","b","c","z"],"n":4})",
      [](Graph& g) {
        g.add_node("a", af::blocking(Write("a", 2)))
            .add_node("b", af::blocking(Say("b")))
            .add_node("c", Hop("c", 2))
            .add_node("z", Say("z"));
        fan(g, {"a", "b", "c"}, "z");
      },
      {}, af::CompileOptions().blocking_threads(2))));
  all.push_back(foreign(doc("other executors", R"({"log":["in","a","b","z"],"n":3})", [](Graph& g) {
    const auto there = NodeOptions().executor(other_threads().get_executor());
    g.add_node("a", Hop("a", 2), there).add_node("b", Say("b"), there).add_node("z", Hop("z", 1));
    fan(g, {"a", "b"}, "z");
  })));
}

void add_conversations(std::vector<Case>& all) {
  auto make = [](const std::shared_ptr<af::Clock>& clock, const Case::Store& store) -> std::unique_ptr<Program> {
    af::StateGraph<> g;
    g.add_node("think", [](const af::AgentState&, af::NodeContext& ctx) -> asio::awaitable<af::Message> {
      for (const char* word : {"I", "think"}) {
        auto op = ctx.emit_token(word, "m1");
        co_await std::move(op);
      }
      co_return af::Message::assistant("I think").with_id("m1");
    });
    g.add_node("answer", [](const af::AgentState& s) { return "so there are " + std::to_string(s.messages.size()); });
    g.set_entry_point("think").add_edge("think", "answer").add_edge("answer", "END");
    auto input = [] {
      af::AgentState s;
      s.messages.push_back(af::Message::user("well?").with_id("m0"));
      return s;
    };
    return std::make_unique<ProgramOf<af::AgentState>>(g.compile(af::CompileOptions().clock(clock).checkpointer(store)),
                                                       input, on_thread(RunConfig(), store));
  };
  all.emplace_back("conversation", R"(["user: well?","assistant: I think","assistant: so there are 2"])", make);
}

}  // namespace

std::string text_of(const Doc& doc) {
  const Doc fresh;
  af::JsonWriter out;
  out.begin_object();
  af::detail::for_each_field<Doc>([&](const auto& f) {
    const auto& value = doc.*(f.member);
    if (value == fresh.*(f.member)) return;
    out.key(f.name);
    af::write_json(out, value);
  });
  out.end_object();
  return std::move(out).take();
}

std::string text_of(const af::AgentState& state) {
  af::JsonWriter out;
  out.begin_array();
  for (const auto& m : state.messages) out.string(af::to_string(m));
  out.end_array();
  return std::move(out).take();
}

RunConfig streaming(RunConfig config) { return config.stream(af::stream_mode::all).stream_capacity(2); }

const std::vector<Case>& cases() {
  static const std::vector<Case> all = [] {
    std::vector<Case> c;
    add_sequences(c);
    add_branches(c);
    add_routing(c);
    add_parts(c);
    add_limits(c);
    add_conversations(c);
    return c;
  }();
  return all;
}

}  // namespace corpus

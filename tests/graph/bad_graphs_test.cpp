// SPDX-License-Identifier: MIT
// Random sound graphs compile; spoilt in one to five ways, each of those is reported, by its code and its name.
#include <agentflow/graph/graph_builder.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"

namespace af = agentflow;
using af::errc;
using af::NodeOptions;

namespace {

struct Work {
  std::string single;
  int many = 0;
};
AGENTFLOW_STATE(Work, single, (many, af::sum))
struct Item {
  int n = 0;
};

using Graph = af::StateGraph<Work>;
using Random = std::mt19937_64;

void pass(const Work&) {}
void item(const Item&) {}
std::string choose(const Work&) { return "END"; }

std::size_t below(Random& random, std::size_t n) { return static_cast<std::size_t>(random() % n); }

/// A graph without a fault: a tree from START with some more edges forward, some conditional ones back, all ending.
class Sound {
 public:
  Sound(Random& random, bool with_entry) {
    const auto n = 1 + below(random, 12);
    std::set<std::pair<std::size_t, std::size_t>> edges;
    for (std::size_t i = 0; i < n; ++i) {
      names.push_back("n" + std::to_string(i));
      graph.add_node(names[i], pass);
      if (i > 0) edges.emplace(below(random, i), i);
      if (i > 1 && random() % 3 == 0) edges.emplace(below(random, i), i);
    }
    if (with_entry) graph.set_entry_point("n0");
    for (std::size_t i = 0; i < n; ++i) {
      const auto first = edges.lower_bound({i, 0});
      if (first == edges.end() || first->first != i) graph.add_edge(names[i], "END");
      if (random() % 5 != 0) continue;
      graph.add_conditional_edges(names[i], choose, {{"back", names[below(random, i + 1)]}, {"END", "END"}});
    }
    for (const auto& [from, to] : edges) graph.add_edge(names[from], names[to]);
  }
  const std::string& any(Random& random) const { return names[below(random, names.size())]; }

  Graph graph;
  std::vector<std::string> names;
};

/// One way to spoil a graph. `spoil` gets a name that is used nowhere else, and gives the one that the report must
/// hold.
struct Defect {
  errc code;
  std::function<std::string(Sound&, Random&, const std::string& fresh)> spoil;
};

const std::vector<Defect> defects = {
    {errc::graph_bad_name, [](Sound& s, Random&, const std::string&) { return s.graph.add_node("", pass), "\"\""; }},
    {errc::graph_bad_name, [](Sound& s, Random&, const std::string&) { return s.graph.add_node("END", pass), "END"; }},
    {errc::graph_bad_name,
     [](Sound& s, Random&, const std::string&) { return s.graph.add_node("START", pass), "START"; }},
    {errc::graph_bad_name,
     [](Sound& s, Random& r, const std::string&) {
       const auto name = s.any(r);
       s.graph.add_node(name, pass);
       return name;
     }},
    {errc::graph_bad_name,
     [](Sound& s, Random& r, const std::string& fresh) {
       const auto name = fresh + std::string(256 + below(r, 5000), 'x');
       s.graph.add_node(name, pass);
       return name.substr(0, 20);
     }},
    {errc::graph_bad_name,
     [](Sound& s, Random& r, const std::string& fresh) {
       constexpr const char* bad[] = {"/", "\n", "\x7f", "\xff", "\xc3", "\xed\xa0\x80"};
       s.graph.add_node(fresh + bad[below(r, 6)], pass);
       return fresh;
     }},
    {errc::graph_unknown_name,
     [](Sound& s, Random& r, const std::string& fresh) {
       s.graph.add_edge(s.any(r), fresh);
       return fresh;
     }},
    {errc::graph_unknown_name,
     [](Sound& s, Random& r, const std::string& fresh) {
       s.graph.add_edge(fresh, s.any(r));
       return fresh;
     }},
    {errc::graph_unknown_name,
     [](Sound& s, Random& r, const std::string& fresh) {
       s.graph.add_edge({s.any(r), fresh}, s.any(r));
       return fresh;
     }},
    {errc::graph_unknown_name,
     [](Sound& s, Random& r, const std::string& fresh) {
       s.graph.add_conditional_edges(s.any(r), choose, {{"k", fresh}, {"END", "END"}});
       return fresh;
     }},
    {errc::graph_unknown_name,
     [](Sound& s, Random&, const std::string& fresh) {
       s.graph.on_error(fresh, [](const Work&, const af::error&) {});
       return fresh;
     }},
    {errc::graph_unknown_name,
     [](Sound& s, Random&, const std::string& fresh) {
       s.graph.override_node(fresh, pass);
       return fresh;
     }},
    {errc::graph_unknown_name,
     [](Sound& s, Random& r, const std::string& fresh) {
       s.graph.add_node("w" + fresh, pass, NodeOptions().writes({fresh})).add_edge(s.any(r), "w" + fresh);
       s.graph.add_edge("w" + fresh, "END");
       return fresh;
     }},
    {errc::graph_orphan,
     [](Sound& s, Random&, const std::string& fresh) {
       s.graph.add_node(fresh, pass).add_edge(fresh, "END");
       return fresh;
     }},
    {errc::graph_no_exit,
     [](Sound& s, Random& r, const std::string& fresh) {
       s.graph.add_node(fresh, pass).add_edge(s.any(r), fresh).add_edge(fresh, fresh);
       return fresh;
     }},
    {errc::graph_no_exit,
     [](Sound& s, Random& r, const std::string& fresh) {
       const auto size = 2 + below(r, 4);
       const auto at = [&](std::size_t i) { return fresh + "-" + std::to_string(i % size); };
       for (std::size_t i = 0; i < size; ++i) s.graph.add_node(at(i), pass).add_edge(at(i), at(i + 1));
       s.graph.add_edge(s.any(r), at(0));
       return at(below(r, size));
     }},
    {errc::graph_no_exit,
     [](Sound& s, Random& r, const std::string& fresh) {
       s.graph.add_node(fresh, pass).add_edge(s.any(r), fresh);
       return fresh;
     }},
    {errc::graph_duplicate_edge,
     [](Sound& s, Random& r, const std::string& fresh) {
       s.graph.add_node(fresh, pass).add_edge(s.any(r), fresh).add_edge(fresh, "END").add_edge(fresh, "END");
       return fresh;
     }},
    {errc::graph_bad_option,
     [](Sound& s, Random& r, const std::string& fresh) {
       s.graph.add_node(fresh, pass, NodeOptions().timeout(std::chrono::seconds(0)));
       s.graph.add_edge(s.any(r), fresh).add_edge(fresh, "END");
       return fresh;
     }},
    {errc::graph_bad_option,
     [](Sound& s, Random& r, const std::string& fresh) {
       s.graph.add_node(fresh, pass, NodeOptions().retry(af::RetryPolicy().attempts(0)));
       s.graph.add_edge(s.any(r), fresh).add_edge(fresh, "END");
       return fresh;
     }},
    {errc::graph_bad_option,
     [](Sound& s, Random& r, const std::string& fresh) {
       s.graph.add_node(fresh, pass).add_edge(s.any(r), fresh).add_edge(fresh, "END");
       s.graph.add_conditional_edges(fresh, choose, std::map<std::string, std::string>());
       return fresh;
     }},
    {errc::graph_join_skipped,
     [](Sound& s, Random& r, const std::string& fresh) {
       for (const char* part : {"a", "b", "c", "d"}) s.graph.add_node(fresh + part, pass);
       s.graph.add_edge(s.any(r), fresh + "a");
       s.graph.add_conditional_edges(fresh + "a", choose, {fresh + "b", fresh + "c"});
       s.graph.add_edge({fresh + "b", fresh + "c"}, fresh + "d").add_edge(fresh + "d", "END");
       return fresh + "d";
     }},
    {errc::graph_parallel_writers,
     [](Sound& s, Random&, const std::string& fresh) {
       for (const char* part : {"a", "b"}) {
         s.graph.add_node(fresh + part, pass, NodeOptions().writes({"single"}));
         s.graph.set_entry_point(fresh + part).add_edge(fresh + part, "END");
       }
       return fresh + "a";
     }},
    {errc::graph_input_mismatch,
     [](Sound& s, Random& r, const std::string& fresh) {
       s.graph.add_node(fresh, item).add_edge(s.any(r), fresh).add_edge(fresh, "END");
       return fresh;
     }},
};

bool reported(const af::graph_error& e, errc code, const std::string& name) {
  return std::any_of(e.problems().begin(), e.problems().end(), [&](const af::GraphProblem& p) {
    const auto in_names = [&](const std::string& n) { return n.find(name) != n.npos; };
    return p.code == code &&
           (p.message.find(name) != p.message.npos || std::any_of(p.names.begin(), p.names.end(), in_names));
  });
}

}  // namespace

TEST_CASE("every defect of a graph is reported, however many there are", "[compile]") {
  Random random(Catch::rngSeed());
  std::map<errc, int> seen;
  for (int trial = 0; trial < 10000; ++trial) {
    Sound sound(random, true);
    if (trial % 20 == 0) CHECK_FALSE(sound.graph.compile().to_json().empty());
    std::vector<std::pair<errc, std::string>> expected;
    for (auto n = 1 + below(random, 5); n > 0; --n) {
      const Defect& d = defects[below(random, defects.size())];
      // No name is part of another.
      expected.emplace_back(d.code, d.spoil(sound, random, "x" + std::to_string(n) + "x"));
    }
    try {
      (void)sound.graph.compile();
      FAIL("trial " << trial << " compiles, seed " << Catch::rngSeed());
    } catch (const af::graph_error& e) {
      for (const auto& [code, name] : expected) {
        ++seen[code];
        if (reported(e, code, name)) continue;
        FAIL_CHECK("trial " << trial << ", seed " << Catch::rngSeed() << ": no " << af::code_name(code) << " with '"
                            << name << "' in\n"
                            << e.what());
      }
    }
  }
  CHECK(seen.size() == 9);
}

TEST_CASE("a graph without an entry is reported beside what else is wrong with its names", "[compile]") {
  Random random(Catch::rngSeed());
  for (int trial = 0; trial < 200; ++trial) {
    Sound sound(random, false);
    sound.graph.add_edge(sound.any(random), "nowhere").add_node("", pass);
    try {
      (void)sound.graph.compile();
      FAIL("it compiles");
    } catch (const af::graph_error& e) {
      CHECK(e.has(errc::graph_no_entry));
      CHECK(e.has(errc::graph_unknown_name));
      CHECK(e.has(errc::graph_bad_name));
    }
  }
}

TEST_CASE("large graphs are checked in a moment, and their problems listed", "[compile]") {
  Graph g;
  constexpr int n = 3000;
  for (int i = 0; i < n; ++i) g.add_node("n" + std::to_string(i), pass);
  g.set_entry_point("n0");
  for (int i = 0; i + 1 < n; ++i) {
    g.add_edge("n" + std::to_string(i), "n" + std::to_string(i + 1));
    if (i % 3 == 0) g.add_edge("n" + std::to_string(i), "END");
  }
  Graph sound = g;
  sound.add_edge("n" + std::to_string(n - 1), "END");
  CHECK(sound.compile().invoke(Work(), af::RunConfig().recursion_limit(n)).steps() == n);
  // The chain now ends in itself, and each node has an edge to nowhere.
  for (int i = 0; i < n; ++i) g.add_edge("n" + std::to_string(i), "nowhere");
  g.add_edge("n" + std::to_string(n - 1), "n" + std::to_string(n - 2));
  try {
    (void)g.compile();
    FAIL("it compiles");
  } catch (const af::graph_error& e) {
    CHECK(e.problems().size() > n);
    CHECK(e.has(errc::graph_no_exit));
  }
}

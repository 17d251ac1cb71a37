// SPDX-License-Identifier: MIT
// What is stored: files of every format that was ever released load and go on, whatever a record says is understood or
// refused, damage is told with the way round it, and codecs may throw.
#include <agentflow/typed/state_graph.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/durable.hpp"
#include "support/trials.hpp"

#ifdef AGENTFLOW_TEST_SQLITE
#include <sqlite3.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#endif

namespace af = agentflow;
using af::NodeContext;
using af::Resume;
using support::code_of;
using support::input;
using support::Notes;
using support::on;
using support::text;
using support::World;
using Graph = af::StateGraph<Notes>;
using namespace std::chrono_literals;

namespace {

/// Everything that a record can hold: branches of which one fails, a join, Sends, a deferred node, a question.
af::CompiledGraph<Notes> everything(World& w) {
  Graph g;
  g.add_node("a", w.plain("a")).add_node("b", w.slow("b", 2s)).add_node("early", w.plain("early"));
  g.add_node("item", [](int i) { return af::Update<Notes>().write<&Notes::n>(i); });
  g.add_node("z", w.plain("z")).add_node("last", w.plain("last"), af::NodeOptions().defer());
  g.add_node("ask", [](Notes s, NodeContext& ctx) -> asio::awaitable<Notes> {
    auto op = ctx.interrupt<std::string>("title?");
    s.title = co_await std::move(op);
    co_return s;
  });
  for (const char* n : {"a", "b", "early"}) g.set_entry_point(n);
  g.add_conditional_edges("early", [](const Notes&) { return af::Send("item", 40); }, {"item"});
  g.add_edge("item", "END").add_edge("early", "last").add_edge("a", "ask").add_edge({"ask", "b"}, "z");
  g.add_edge("z", "END").add_edge("last", "END");
  return g.compile(w.options());
}
const std::string all_of_it = "in a b early z last =45";

}  // namespace

TEST_CASE("whatever a record says, it is understood or refused", "[durable]") {
  const support::Trials trials(3000);
  World w;
  const auto app = everything(w);
  w.failures["b"] = 1;
  CHECK_THROWS_AS(w.run(app, input("in"), on("fails")), af::node_error);
  REQUIRE(w.run(app, input("in"), on("asks")).interrupts().size() == 1);
  std::map<std::string, int> outcomes;
  for (auto seed = trials.first(); seed <= trials.last(); ++seed) {
    INFO("replay with AGENTFLOW_SEED=" << seed);
    std::mt19937_64 random(seed);
    const bool fails = random() % 2 == 0;
    auto chain = w.loop.run(w.store->load(fails ? "fails" : "asks"));
    REQUIRE(chain.has_value());
    std::vector<std::string*> texts;
    for (auto& r : chain->records) {
      texts.push_back(&r.body);
      if (r.snapshot) texts.push_back(&*r.snapshot);
    }
    for (auto& write : chain->writes) texts.push_back(&write.bytes);
    for (auto changes = 1 + random() % 3; changes > 0; --changes) {
      std::string& t = *texts[random() % texts.size()];
      if (t.empty()) continue;
      const auto at = random() % t.size();
      const std::string json = "{}[]\",:0123456789-eE.ntfu\\ abz";
      switch (random() % 4) {
        case 0: t[at] = json[random() % json.size()]; break;
        case 1: t.erase(at, 1 + random() % 8); break;
        case 2: t.insert(at, t.substr(random() % t.size(), random() % 20)); break;
        default: t[at] = static_cast<char>(t[at] ^ (1 << random() % 7));
      }
    }
    const std::string thread = "copy " + std::to_string(seed);
    const auto code = code_of([&] {
      w.loop.run(w.store->copy(std::move(*chain), thread));
      w.run(app, fails ? Resume() : Resume("T"), on(thread).recursion_limit(50));
    });
    ++outcomes[code];
  }
  for (const auto& [code, times] : outcomes) WARN(code << ": " << times);
}

TEST_CASE("a record that is whole but of another history is not believed", "[durable]") {
  World w, other;
  std::optional<af::CheckpointChain> strange;
  for (World* each : {&other, &w}) {
    Graph g;
    for (const char* n : {"a", "b"}) g.add_node(n, each->plain(n));
    g.set_entry_point("a").add_edge("a", "b").add_edge("b", "END");
    const auto app = g.compile(each->options());
    each->failures["b"] = 1;
    CHECK_THROWS_AS(each->run(app, input(each == &w ? "mine" : "theirs"), on("t")), af::node_error);
    if (each == &other) strange = other.loop.run(other.store->load("t"));
    if (each == &other) continue;
    REQUIRE(strange->records.size() == 2);
    w.store->tamper = [&](af::CheckpointChain& chain) { chain.records[0] = strange->records[0]; };
    CHECK(code_of([&] { w.run(app, Resume(), on("t")); }) == "CHECKPOINT_004");
    w.store->tamper = nullptr;
    CHECK(text(*w.run(app, Resume(), on("t"))) == "mine a b =2");
  }
}

namespace {

/// A text whose mapping throws when it is told to.
struct Fragile {
  std::string text;
  bool operator==(const Fragile&) const = default;
  static inline int write_fails = 0, read_fails = 0;
};
void agentflow_write_json(af::JsonWriter& out, const Fragile& f) {
  if (Fragile::write_fails > 0 && --Fragile::write_fails == 0) throw 42;
  out.string(f.text);
}
void agentflow_read_json(const af::JsonReader& in, Fragile& f) {
  if (Fragile::read_fails > 0 && --Fragile::read_fails == 0) throw std::runtime_error("cannot read");
  f.text = std::string(in.as_string());
}
struct Brittle {
  Fragile value;
  int n = 0;
};
AGENTFLOW_STATE(Brittle, value, (n, af::sum))

}  // namespace

TEST_CASE("a mapping that throws fails the run, which goes on when it does not", "[durable]") {
  int trials = 0;
  for (int k = 1; k < 20; ++k)
    for (const bool writing : {true, false}) {
      INFO((writing ? "write " : "read ") << k);
      World w;
      af::StateGraph<Brittle> g;
      for (const char* n : {"a", "b"}) {
        g.add_node(n, [](Brittle s) {
          s.value.text += "x";
          ++s.n;
          return s;
        });
      }
      g.set_entry_point("a").add_edge("a", "b").add_edge("b", "END");
      const auto app = g.compile(w.options());
      (writing ? Fragile::write_fails : Fragile::read_fails) = k;
      auto run = [&](af::Input<Brittle> in) { return w.loop.run(app.ainvoke(std::move(in), on("t"))); };
      const auto code = code_of([&] { run(Brittle()); });
      const bool begun = w.loop.run(w.store->thread("t")).has_value();
      Brittle again;
      try {
        again = begun ? run(Resume()).state : run(Brittle()).state;
      } catch (const af::error&) {
        again = run(Resume()).state;  // it was to fail in the second run
      }
      Fragile::write_fails = Fragile::read_fails = 0;
      CHECK(again.value.text == "xx");
      CHECK(again.n == 2);
      trials += code != "none";
    }
  CHECK(trials >= 3);
}

#ifdef AGENTFLOW_TEST_SQLITE
namespace {

void sql(const std::string& path, const std::string& statements) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
  char* message = nullptr;
  const int code = sqlite3_exec(db, statements.c_str(), nullptr, nullptr, &message);
  INFO((message != nullptr ? message : ""));
  CHECK(code == SQLITE_OK);
  sqlite3_free(message);
  sqlite3_close(db);
}

/// A world on a file.
struct FileWorld : World {
  explicit FileWorld(const std::string& path) {
    store = std::make_shared<support::HookedCheckpointer>(af::sqlite(path));
    loop.wait_for_threads(20s);
  }
};

/// The threads that the files of released formats have: one finished, one that failed beside others, one that asks.
void make_threads(World& w) {
  const auto app = everything(w);
  CHECK(w.run(app, input("in"), on("done")).status() == af::run_status::interrupted);
  CHECK(text(*w.run(app, Resume("T"), on("done"))) == all_of_it);
  w.failures["b"] = 1;
  CHECK_THROWS_AS(w.run(app, input("in"), on("failed")), af::node_error);
  CHECK(w.run(app, input("in"), on("asks")).interrupts().size() == 1);
}

}  // namespace

// With AGENTFLOW_FORMAT_FILE it leaves a file to add to the others when a format is released: dump it with `sqlite3
// FILE .dump`, and set its application_id and user_version as they are.
TEST_CASE("files of the present format hold what those of a released one hold", "[durable]") {
  const Folder folder;
  const char* wanted = std::getenv("AGENTFLOW_FORMAT_FILE");
  FileWorld w(wanted != nullptr ? wanted : folder.file("new.db"));
  make_threads(w);
}

TEST_CASE("files of each format that was released go on", "[durable]") {
  for (const char* name : {"format_1.sql"}) {
    INFO(name);
    std::ostringstream dump;
    dump << std::ifstream(std::string(AGENTFLOW_FORMATS "/") + name).rdbuf();
    REQUIRE(dump.str().size() > 1000);
    const Folder folder;
    sql(folder.file("old.db"), dump.str());
    FileWorld w(folder.file("old.db"));
    const auto app = everything(w);
    CHECK(text(*w.run(app, Resume(), on("done"))) == all_of_it);
    CHECK(w.ran.empty());
    CHECK(app.get_state_history("done").size() == 5);
    REQUIRE(w.run(app, Resume(), on("failed")).interrupts().size() == 1);
    CHECK(w.ran == std::map<std::string, int>{{"b", 1}});
    CHECK(w.run(app, Resume("T"), on("failed"))->title == "T");
    CHECK(text(*w.run(app, Resume("U"), on("asks"))) == all_of_it);
    CHECK(text(*w.run(app, input("more"), on("done"))).starts_with(all_of_it.substr(0, 20)));
  }
}

TEST_CASE("a damaged checkpoint is told with the last good one, from which a run goes on", "[durable]") {
  const Folder folder;
  std::string good;
  {
    FileWorld w(folder.file("d.db"));
    Graph g;
    for (const char* n : {"a", "b", "c"}) g.add_node(n, w.plain(n));
    g.set_entry_point("a").add_edge("a", "b").add_edge("b", "c").add_edge("c", "END");
    w.failures["c"] = 1;
    CHECK_THROWS_AS(w.run(g.compile(w.options()), input("hi"), on("t")), af::node_error);
    const auto page = g.compile(w.options()).get_state_history("t");
    good = page.at(1).id;
  }
  sql(folder.file("d.db"),
      "UPDATE checkpoints SET body = CAST(replace(CAST(body AS TEXT), '\"b\"', '\"a\"') AS BLOB) "
      "WHERE place & 0xffffffff = 3");
  FileWorld w(folder.file("d.db"));
  Graph g;
  for (const char* n : {"a", "b", "c"}) g.add_node(n, w.plain(n));
  g.set_entry_point("a").add_edge("a", "b").add_edge("b", "c").add_edge("c", "END");
  const auto app = g.compile(w.options());
  std::string offered;
  try {
    w.run(app, Resume(), on("t"));
    FAIL("the damage is believed");
  } catch (const af::checkpoint_damaged_error& e) {
    offered = e.last_good();
    CHECK_THAT(e.what(), Catch::Contains(offered));
  }
  CHECK(offered == good);
  CHECK(text(*w.run(app, Resume(), on("t").checkpoint(offered))) == "hi a b c =3");
  CHECK(w.ran == std::map<std::string, int>{{"b", 1}, {"c", 1}});
}
#endif

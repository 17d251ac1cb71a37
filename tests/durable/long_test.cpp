// SPDX-License-Identifier: MIT
// What lasts: a thread of very many steps, and very many threads that are run, killed, failed, answered and pruned.
#include <agentflow/typed/state_graph.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/durable.hpp"
#include "support/trials.hpp"

namespace af = agentflow;
using support::Notes;
using support::on;
using support::Store;
using namespace std::chrono_literals;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool keeps_freed_memory = true;
#else
constexpr bool keeps_freed_memory = false;
#endif

/// In bytes.
double resident() {
  std::ifstream in("/proc/self/statm");
  double size = 0, pages = 0;
  in >> size >> pages;
  return pages * 4096;
}
std::size_t open_files() {
  const auto all = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}
long mebibytes(double bytes) { return static_cast<long>(bytes / 1048576); }

constexpr const char* turn[] = {"in", "pay", "look", "ask", "end"};

/// in -> {pay, once and after a while; look} -> ask, which asks every second time -> end.
class Shop {
 public:
  Shop() {
    af::StateGraph<Notes> g;
    g.add_node("pay", [this](Notes s, af::NodeContext& ctx) -> asio::awaitable<Notes> {
      auto charge = [this, thread = ctx.thread_id()] { ++payments[thread]; };
      auto paying = ctx.once("charge", charge);
      co_await std::move(paying);
      co_await ctx.sleep(1s);
      s.log.push_back("pay");
      co_return s;
    });
    g.add_node("look", [](Notes s) {
      s.log.push_back("look");
      return s;
    });
    g.add_node("ask", [](Notes s, af::NodeContext& ctx) -> asio::awaitable<Notes> {
      if (s.n % 2 == 1) {
        auto question = ctx.interrupt<std::string>("go on?");
        co_await std::move(question);
      }
      s.log.push_back("ask");
      co_return s;
    });
    g.add_node("end", [](Notes s) {
      s.log.push_back("end");
      ++s.n;
      return s;
    });
    g.set_entry_point("pay").set_entry_point("look").add_edge({"pay", "look"}, "ask");
    g.add_edge("ask", "end").add_edge("end", "END");
    app_ = std::make_unique<af::CompiledGraph<Notes>>(
        g.compile(af::CompileOptions().checkpointer(store.hooked).clock(clock)));
  }

  std::unique_ptr<af::testing::VirtualLoop> loop() const {
    auto l = std::make_unique<af::testing::VirtualLoop>(clock);
    if (store.on_disk()) l->wait_for_threads(20s);
    return l;
  }
  /// The next turn, or what is left of the last one; the question is answered or left open.
  af::Run<Notes> begin(af::testing::VirtualLoop& l, const std::string& thread, bool answer) {
    const auto known = l.run(app_->aget_state(thread));
    if (!known || known->finished) return app_->start(l.executor(), support::input("in"), on(thread));
    af::Resume resume;
    if (answer)
      for (const auto& i : known->interrupts) resume.answer(i.id, "yes");
    return app_->start(l.executor(), std::move(resume), on(thread));
  }
  /// Whether the state is that of whole turns; gives how many.
  std::uint64_t check(af::testing::VirtualLoop& l, const std::string& thread) {
    const auto known = l.run(app_->aget_state(thread));
    if (!known) return 0;
    CHECK(known->finished);
    std::size_t at = 0;
    bool right = true;
    for (const auto& line : known->state.log) right = right && line == turn[at++ % 5];
    CHECK(right);
    CHECK(at == 5 * static_cast<std::size_t>(known->state.n));
    return static_cast<std::uint64_t>(known->state.n);
  }

  Store store;
  std::shared_ptr<af::testing::VirtualClock> clock = std::make_shared<af::testing::VirtualClock>();
  std::map<std::string, std::uint64_t> payments;

 private:
  std::unique_ptr<af::CompiledGraph<Notes>> app_;
};

}  // namespace

TEST_CASE("a thread of very many steps costs the same at its end", "[durable][slow]") {
  const auto steps = std::max(1000, static_cast<int>(support::number_from("AGENTFLOW_STEPS", 20'000)));
  Store store;
  std::vector<std::chrono::steady_clock::time_point> times;  // at each hundredth
  std::vector<std::uint64_t> bytes;
  double memory = 0;
  std::size_t pruned = 0;
  af::StateGraph<Notes> g;
  g.add_node("a", [&](Notes s) -> asio::awaitable<Notes> {
    if (s.n % (steps / 100) == 0) {
      times.push_back(std::chrono::steady_clock::now());
      bytes.push_back(store.hooked->bytes);
      if (times.size() == 25) memory = resident();
    }
    if (s.n % 1000 == 999) {
      auto prune = store.hooked->prune("t", af::PrunePolicy().keep_last(100));
      pruned += co_await std::move(prune);
    }
    s.title = "step " + std::to_string(s.n++);
    co_return s;
  });
  g.set_entry_point("a").add_conditional_edges("a", [&](const Notes& s) { return s.n < steps ? "a" : "END"; },
                                               {"a", "END"});
  const auto app = g.compile(af::CompileOptions().checkpointer(store.hooked));
  const auto config = on("t").recursion_limit(static_cast<std::uint64_t>(steps));
  CHECK(app.invoke(Notes(), config)->n == steps);
  CHECK(app.invoke(af::Resume(), config)->n == steps);
  times.push_back(std::chrono::steady_clock::now());
  bytes.push_back(store.hooked->bytes);
  REQUIRE(times.size() == 101);
  const std::chrono::duration<double> late = times[100] - times[75], early = times[25] - times[0];
  const double grown = resident() - memory;
  CHECK(pruned >= static_cast<std::size_t>(steps) - 2000);
  CHECK(static_cast<double>(bytes[100] - bytes[75]) < 1.1 * static_cast<double>(bytes[25] - bytes[0]));
  CHECK(late / early < 3);  // what grows with the history would be tens of times as slow
  if (!keeps_freed_memory) CHECK(grown < 32.0 * 1048576);
  WARN(steps << " steps; the last quarter took " << late / early << " times as long as the first, and stored "
             << (bytes[100] - bytes[75]) * 4 / static_cast<std::uint64_t>(steps)
             << " bytes a step; the process grew by " << mebibytes(grown) << " MiB after the first quarter");
}

TEST_CASE("very many threads that are killed, failed, answered and pruned stay whole", "[durable][slow]") {
  const support::Trials rounds(400);
  constexpr std::uint64_t threads = 40;
  Shop shop;
  std::uint64_t kills = 0, failures = 0, questions = 0, pruned = 0, turns = 0, paid = 0;
  double memory = 0;
  const std::size_t files = open_files();
  for (auto seed = rounds.first(); seed <= rounds.last(); ++seed) {
    INFO("round " << seed);
    std::mt19937_64 random(seed);
    const auto loop = shop.loop();
    std::vector<af::Run<Notes>> runs;
    for (std::uint64_t i = random() % threads, left = 1 + random() % 8; left > 0; --left, i = (i + 7) % threads)
      runs.push_back(shop.begin(*loop, std::to_string(i), random() % 4 != 0));
    if (random() % 4 == 0)
      shop.store.hooked->gate = [at = shop.store.hooked->calls + random() % 40](std::uint64_t call,
                                                                                bool) -> asio::awaitable<void> {
        if (call == at) throw af::storage_error(af::errc::storage_unavailable, "the store fails");
        co_return;
      };
    if (random() % 2 == 0) loop->stop_after(loop->handlers() + random() % 40);
    for (auto& run : runs) try {
        const auto result = loop->run(run.result());
        questions += result.interrupts().size();
      } catch (const af::testing::abandoned_error&) {
        ++kills;
        break;
      } catch (const af::storage_error& e) {
        CHECK(e.code() == af::errc::storage_unavailable);
        ++failures;
      }
    shop.store.hooked->gate = nullptr;
    if (random() % 8 == 0) {
      const auto quiet = shop.loop();
      const auto thread = std::to_string(random() % threads);
      pruned += quiet->run(shop.store.hooked->prune(thread, af::PrunePolicy().keep_last(5)));
    }
    if (seed == rounds.first() + rounds.count() / 4) memory = resident();
  }
  const double grown = resident() - memory;
  const auto loop = shop.loop();
  for (std::uint64_t i = 0; i < threads; ++i) {
    const auto thread = std::to_string(i);
    INFO("thread " << thread);
    // A question is answered by the first of these at the latest.
    for (int tries = 0; tries < 3; ++tries) {
      const auto known = loop->run(shop.begin(*loop, thread, true).result());
      if (known.status() == af::run_status::completed) break;
    }
    const auto n = shop.check(*loop, thread);
    CHECK(shop.payments[thread] >= n);
    turns += n;
    paid += shop.payments[thread];
  }
  CHECK(paid <= turns + 8 * (kills + failures));  // at most eight ran when one was killed
  CHECK(open_files() <= files + 4);               // of the store itself
  if (!keeps_freed_memory) CHECK(grown < 64.0 * 1048576);
  WARN(rounds.count() << " rounds on " << threads << " threads: " << turns << " turns, " << kills << " kills, "
                      << failures << " failures of the store, " << questions << " questions, " << pruned
                      << " checkpoints pruned, " << paid - turns << " payments repeated; the process grew by "
                      << mebibytes(grown) << " MiB");
  CHECK(turns * 2 > rounds.count());
}

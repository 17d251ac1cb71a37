// SPDX-License-Identifier: MIT
// Inputs and resumes in any order, on threads in any state, do what the table in docs/08_durability.md says.
#include <agentflow/typed/state_graph.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/durable.hpp"
#include "support/trials.hpp"

namespace af = agentflow;
using af::Resume;
using support::input;
using support::Notes;
using support::on;
using support::World;

namespace {

enum class Stage { nothing, finished, failed, waiting };

/// What the table says of one thread.
struct Model {
  Stage stage = Stage::nothing;
  std::vector<std::string> log;
  bool asks = false;  // in this turn
  std::optional<std::string> answer;
  std::string question;  // the id of the last one
  int ran = 0;

  void run(bool fails) {
    ++ran;
    if (asks && !answer) {
      stage = Stage::waiting;
    } else if (fails) {
      stage = Stage::failed;
    } else {
      log.push_back("w" + answer.value_or(""));
      stage = Stage::finished;
    }
  }
};

/// The library beside the model.
class Sequences {
 public:
  explicit Sequences(std::uint64_t seed) : random_(seed) {
    af::StateGraph<Notes> g;
    g.add_node("w", [this](Notes s, af::NodeContext& ctx) -> asio::awaitable<Notes> {
      ++ran_[ctx.thread_id()];
      std::string line = "w";
      if (models_[ctx.thread_id()].asks) {
        auto op = ctx.interrupt<std::string>("?");
        line += co_await std::move(op);
      }
      if (fails_) throw std::runtime_error("fails");
      s.log.push_back(line);
      co_return s;
    });
    g.set_entry_point("w").add_edge("w", "END");
    app_.emplace(g.compile(world_.options()));
  }

  void step() {
    const std::string thread = "t" + std::to_string(below(4));
    Model& m = models_[thread];
    fails_ = below(3) == 0;
    const auto what = below(6);
    INFO("thread " << thread << " in stage " << static_cast<int>(m.stage) << ", operation " << what
                   << (fails_ ? ", fails" : ""));
    const std::string code = what < 2 ? give(m, thread, what == 1) : go_on(m, thread, what);
    CHECK(code == expected_);
    compare(m, thread);
  }

 private:
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  std::string give(Model& m, const std::string& thread, bool discard) {
    if (m.stage == Stage::waiting && !discard) {
      expected_ = "RUN_008";
    } else {
      m.asks = below(2) == 0;
      m.answer.reset();
      m.log.push_back("in");
      m.run(fails_);
      expected_ = m.stage == Stage::failed ? "NODE_001" : "none";
    }
    return run(m, input("in"), on(thread).discard_interrupts(discard));
  }

  std::string go_on(Model& m, const std::string& thread, std::uint64_t what) {
    const std::string value = "v" + std::to_string(below(100));
    const bool answers = what > 2;
    const bool right = what == 3 || what == 4;
    const std::string id = what == 5 || m.question.empty() ? "0123456789abcdef" : m.question;
    if (m.stage == Stage::nothing) {
      expected_ = "CHECKPOINT_003";
    } else if (answers && (m.stage != Stage::waiting || !right)) {
      expected_ = "RUN_009";
    } else {
      if (answers) m.answer = value;
      if (answers || m.stage == Stage::failed) m.run(fails_);
      expected_ = m.stage == Stage::failed ? "NODE_001" : "none";
    }
    Resume resume = what == 2 ? Resume() : what == 3 ? Resume(value) : Resume().answer(id, value);
    return run(m, std::move(resume), on(thread));
  }

  std::string run(Model& m, af::Input<Notes> in, const af::RunConfig& config) {
    return support::code_of([&] {
      const auto result = world_.run(*app_, std::move(in), config);
      CHECK(result.status() == (m.stage == Stage::waiting ? af::run_status::interrupted : af::run_status::completed));
      CHECK(result.interrupts().size() == (m.stage == Stage::waiting ? 1 : 0));
      if (!result.interrupts().empty()) m.question = result.interrupts()[0].id;
      CHECK(result->log.to_vector() == m.log);
    });
  }

  void compare(const Model& m, const std::string& thread) {
    CHECK(ran_[thread] == m.ran);
    const auto seen = app_->get_state(thread);
    REQUIRE(seen.has_value() == (m.stage != Stage::nothing));
    if (!seen) return;
    CHECK(seen->state.log.to_vector() == m.log);
    CHECK(seen->finished == (m.stage == Stage::finished));
    CHECK(seen->interrupts.size() == (m.stage == Stage::waiting ? 1 : 0));
    const auto stored = world_.loop.run(world_.store->thread(thread));
    REQUIRE(stored->run);
    CHECK(stored->run->status == (m.stage == Stage::finished  ? af::stored_status::completed
                                  : m.stage == Stage::waiting ? af::stored_status::interrupted
                                                              : af::stored_status::failed));
  }

  World world_;
  std::mt19937_64 random_;
  std::optional<af::CompiledGraph<Notes>> app_;
  std::map<std::string, Model> models_;
  std::map<std::string, int> ran_;
  bool fails_ = false;
  std::string expected_;
};

}  // namespace

TEST_CASE("inputs and resumes in any order do what the table says", "[durable][store]") {
  const support::Trials trials(support::Store().on_disk() ? 5 : 50);
  std::uint64_t operations = 0;
  for (auto seed = trials.first(); seed <= trials.last(); ++seed) {
    INFO("replay with AGENTFLOW_SEED=" << seed);
    Sequences all(seed);
    for (int i = 0; i < 200; ++i, ++operations) all.step();
  }
  WARN(operations << " operations");
}

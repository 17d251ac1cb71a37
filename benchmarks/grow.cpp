// SPDX-License-Identifier: MIT
// grow(N): one node loops until it has appended N messages. A step must not get dearer as the history gets longer.
#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "workloads.hpp"

namespace bench {

struct Growing {
  af::List<af::Message> messages;
  int wanted = 0;
};
AGENTFLOW_STATE(Growing, (messages, af::add_messages), wanted)

namespace {

using Mark = std::chrono::steady_clock::time_point;

const std::string text(40, 'x');

/// One run; `marks` gets the time at which each step began.
void run_once(const af::CompiledGraph<Growing>& app, int length, std::vector<Mark>& marks, af::stream_mode modes) {
  marks.clear();
  Growing input;
  input.wanted = length;
  const auto config = af::RunConfig().recursion_limit(static_cast<std::uint64_t>(length)).stream(modes);
  if (modes == af::stream_mode::none) {
    const auto result = app.invoke(std::move(input), config);
    verify(result->messages.size() == static_cast<std::size_t>(length), "grow: the messages");
    return;
  }
  auto stream = app.stream(std::move(input), config);
  int updates = 0;
  for (const af::Chunk& chunk : stream) updates += chunk.kind() == af::chunk_kind::update;
  verify(updates == length, "grow: the updates");
  verify(stream.result()->messages.size() == static_cast<std::size_t>(length), "grow: the messages");
}

void series(Session& session, int length, const std::string& variant, af::stream_mode modes) {
  const std::string workload = "grow(" + std::to_string(length) + ", none)";
  if (!session.wants(workload + " " + variant)) return;

  std::vector<Mark> marks;
  marks.reserve(static_cast<std::size_t>(length) + 1);
  af::StateGraph<Growing> graph;
  graph.add_node("grow", [&marks](Growing s) {
    marks.push_back(std::chrono::steady_clock::now());
    s.messages.push_back(af::Message::from_text(text, af::Role::assistant));
    return s;
  });
  const auto router = [](const Growing& s) {
    return s.messages.size() == static_cast<std::size_t>(s.wanted) ? af::END : std::string_view("grow");
  };
  graph.set_entry_point("grow").add_conditional_edges("grow", router, std::vector<std::string>{"grow", "END"});
  const auto app = graph.compile();

  // The mean over a window, so that a rare dear step counts; the median of several runs, so that the machine's moods do
  // not.
  const std::array percents{0, 10, 25, 50, 75, 95};
  std::array<std::vector<double>, 6> samples;
  const int window = length / 20;
  run_once(app, length, marks, modes);
  for (int run = 0; run < (session.quick() ? 5 : 15); ++run) {
    run_once(app, length, marks, modes);
    for (std::size_t p = 0; p < percents.size(); ++p) {
      const auto from = static_cast<std::size_t>(length / 100 * percents[p]);
      const std::size_t to = std::min(from + static_cast<std::size_t>(window), marks.size() - 1);
      samples[p].push_back(std::chrono::duration<double, std::nano>(marks[to] - marks[from]).count() /
                           static_cast<double>(to - from));
    }
  }
  std::array<double, 6> smallest{};
  for (std::size_t p = 0; p < percents.size(); ++p) {
    Row row{.workload = workload, .variant = variant + ", at " + std::to_string(percents[p]) + " %", .unit = "step"};
    row.min_ns = smallest[p] = *std::min_element(samples[p].begin(), samples[p].end());
    row.ns = median(samples[p]);
    session.add(std::move(row));
  }
  Row row{.workload = workload, .variant = variant + ", end against start", .unit = "ratio", .target = {.ratio = 1.1}};
  row.ratio = smallest.back() / smallest.front();
  session.add(std::move(row));
}

}  // namespace

void grow(Session& session) {
  series(session, 10'000, "invoke", af::stream_mode::none);
  series(session, 10'000, "with updates", af::stream_mode::updates);
}

}  // namespace bench

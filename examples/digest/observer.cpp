// SPDX-License-Identifier: MIT
// Progress and trace from the events of a run.
#include "observer.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include <agentflow/core/json_reader.hpp>

namespace digest {

namespace af = agentflow;

std::uint64_t Observer::at(const af::Chunk& chunk) {
  if (first_ == std::chrono::system_clock::time_point()) first_ = chunk.timestamp();
  const auto passed = std::chrono::duration_cast<std::chrono::microseconds>(chunk.timestamp() - first_).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, passed));
}

void Observer::see(const af::Chunk& chunk) {
  switch (chunk.kind()) {
    case af::chunk_kind::custom: planned_ = af::JsonReader(chunk.data()).at("planned").as_uint64(); break;
    case af::chunk_kind::node_start: begin(chunk); break;
    case af::chunk_kind::node_end:
    case af::chunk_kind::node_error: end(chunk); break;
    default: at(chunk); break;
  }
}

void Observer::begin(const af::Chunk& chunk) {
  auto free = std::find(lanes_.begin(), lanes_.end(), false);
  if (free == lanes_.end()) free = lanes_.insert(lanes_.end(), false);
  *free = true;
  const auto lane = static_cast<std::uint32_t>(free - lanes_.begin());
  open_[{chunk.step(), chunk.task()}] = Open{chunk.node(), at(chunk), lane};
}

void Observer::end(const af::Chunk& chunk) {
  const auto it = open_.find({chunk.step(), chunk.task()});
  if (it == open_.end()) return;
  const Open& o = it->second;
  events_.push_back(TraceEvent{o.name, "node", o.start_us, at(chunk) - o.start_us, o.lane});
  lanes_[o.lane] = false;
  open_.erase(it);
  if (chunk.node() != "measure") return;
  ++done_;
  draw();
}

void Observer::draw() {
  const auto now = std::chrono::steady_clock::now();
  if (!progress_ || (drawn_ && now - last_drawn_ < std::chrono::milliseconds(50))) return;
  last_drawn_ = now;
  drawn_ = true;
  winsize size{};
  const std::size_t width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 79u;
  const auto bar = "\r" + progress_bar(done_, planned_, width, "");
  std::fwrite(bar.data(), 1, bar.size(), stderr);
  std::fflush(stderr);
}

void Observer::finish() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

bool Observer::write_trace(const std::string& path) const {
  std::ofstream out(path, std::ios::binary);
  out << render_trace(events_);
  return static_cast<bool>(out.flush());
}

}  // namespace digest

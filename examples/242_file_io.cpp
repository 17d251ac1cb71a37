// SPDX-License-Identifier: MIT
// Files off the event loop: reading blocks a thread, so it is done on a pool, while the loop goes on.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>

#include <agentflow/agentflow.hpp>
#include <asio/awaitable.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;

struct Note {
  std::string path;
  std::string text;
  int words = 0;
  int heartbeats = 0;
};
AGENTFLOW_STATE(Note, path, text, words, heartbeats)

// A whole node that blocks: `af::blocking` below puts it on the graph's pool of threads.
Note load(Note note) {
  std::ifstream in(note.path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + note.path);
  note.text.assign(std::istreambuf_iterator<char>(in), {});
  return note;
}

// Runs beside it on the loop, which is not held up.
asio::awaitable<Note> heartbeat(Note note) {
  for (; note.heartbeats < 3; ++note.heartbeats) co_await af::sleep(1ms);
  co_return note;
}

// A coroutine that blocks in one place only.
asio::awaitable<Note> count_and_save(Note note) {
  bool inside = false;
  for (const char c : note.text) {
    const bool letter = c != ' ' && c != '\n';
    note.words += letter && !inside;
    inside = letter;
  }
  auto save = [path = note.path + ".count", words = note.words] { std::ofstream(path) << words << "\n"; };
  co_await af::run_blocking(save);  // named first: see docs/limitations.md on g++ 12
  co_return note;
}

int main() {
  const auto folder = std::filesystem::temp_directory_path() / "agentflow_file_io";
  std::filesystem::create_directories(folder);
  const std::string path = (folder / "note.txt").string();
  std::ofstream(path) << "a coroutine waits\nand the thread does not\n";

  af::StateGraph<Note> graph;
  graph.add_node("load", af::blocking(load)).add_node("heartbeat", heartbeat).add_node("count", count_and_save);
  graph.set_entry_point("load").set_entry_point("heartbeat");
  graph.add_edge({"load", "heartbeat"}, "count").add_edge("count", "END");

  Note input;
  input.path = path;
  const auto result = graph.compile().invoke(input);
  std::cout << result->words << " words, " << result->heartbeats << " heartbeats meanwhile\n";

  int saved = 0;
  std::ifstream(path + ".count") >> saved;
  std::filesystem::remove_all(folder);
  return result->words == 8 && saved == 8 && result->heartbeats == 3 ? 0 : 1;
}

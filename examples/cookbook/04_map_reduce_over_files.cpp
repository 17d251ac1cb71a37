// SPDX-License-Identifier: MIT
// Sums up a folder: a small model reads the files, two at a time, and a large one writes what they say together.
#include <agentflow/agentflow.hpp>
#include <agentflow/testing/scripted_model.hpp>

#include <algorithm>
#include <asio/awaitable.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace af = agentflow;
namespace fs = std::filesystem;

struct Report {
  std::string folder, summary;
  af::List<std::string> notes;
};
AGENTFLOW_STATE(Report, folder, summary, (notes, af::append))

std::vector<std::string> files_of(const Report& report) {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(report.folder)) out.push_back(entry.path().string());
  std::sort(out.begin(), out.end());
  return out;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// Stands for a small model: its summary is the first sentence.
af::ChatResponse first_sentence(const af::ChatRequest& request) {
  const std::string text = request.messages.back().text();
  return af::ChatResponse(af::Message::assistant(text.substr(0, text.find('.') + 1)));
}

int main(int argc, char** argv) {
  // Real ones: af::llm::model_from_environment(client, "gpt-4.1-nano"), and the same with another name.
  const auto small = std::make_shared<af::testing::ScriptedModel>();
  const auto large = std::make_shared<af::testing::ScriptedModel>();
  small->otherwise(first_sentence);
  large->reply("Bees dance, and make honey and wax.");

  const auto map = [small](const std::string& path, af::NodeContext& ctx) -> asio::awaitable<af::Update<Report>> {
    const std::string text = co_await af::run_blocking([&path] { return read_file(path); });  // the disk is slow
    af::ChatRequest request;
    request.messages = {af::Message::system("Sum this up in one sentence."), af::Message::user(text)};
    const af::ChatResponse answer = co_await af::call_model(small, std::move(request), ctx);
    co_return af::Update<Report>().write<&Report::notes>(fs::path(path).stem().string() + ": " + answer.text());
  };
  const auto reduce = [large](const Report& report, af::NodeContext& ctx) -> asio::awaitable<af::Update<Report>> {
    std::string all = "What do these say together?\n";
    for (const std::string& note : report.notes) all += note + "\n";
    const af::ChatResponse answer = co_await af::call_model(large, af::ChatRequest(all), ctx);
    co_return af::Update<Report>().write<&Report::summary>(answer.text());
  };
  const auto app = af::map_reduce<Report>(files_of, map, reduce).compile();

  Report report;
  report.folder = argc > 1 ? argv[1] : ".";
  const auto result = app.invoke(std::move(report), af::RunConfig().max_concurrency(2));
  for (const std::string& note : result->notes) std::cout << note << "\n";
  std::cout << "together: " << result->summary << "\n";
}

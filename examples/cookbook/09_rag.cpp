// SPDX-License-Identifier: MIT
// Answers from local files: a tool searches them with SQLite's full-text index, off the event loop.
#include <agentflow/agentflow.hpp>
#include <agentflow/testing/scripted_model.hpp>

#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace af = agentflow;
namespace fs = std::filesystem;

struct Search {
  std::string words;
};
AGENTFLOW_PARAMS(Search, (words, "What to look for"))

// The lines of a folder's files; the best match comes first.
class Index {
 public:
  explicit Index(const fs::path& folder) {
    if (sqlite3_open(":memory:", &db_) != SQLITE_OK) throw std::runtime_error("no database");
    run("CREATE VIRTUAL TABLE lines USING fts5(file, text, tokenize = 'porter')", {});
    for (const auto& entry : fs::directory_iterator(folder)) {
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);)
        run("INSERT INTO lines VALUES (?, ?)", {entry.path().filename().string(), line});
    }
  }
  ~Index() { sqlite3_close(db_); }
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  std::string search(const std::string& words) {
    std::string query;  // each word quoted, so that it is never an operator of the query
    for (std::size_t at = 0; (at = words.find_first_not_of(" \"*", at)) != words.npos;) {
      const std::size_t end = std::min(words.find_first_of(" \"*", at), words.size());
      query += (query.empty() ? "\"" : " OR \"") + words.substr(at, end - at) + "\"";
      at = end;
    }
    const std::lock_guard turn(mutex_);  // calls of one answer come side by side
    return query.empty() ? "" : run("SELECT file || ': ' || text FROM lines(?) ORDER BY rank LIMIT 3", {query});
  }

 private:
  std::string run(const char* sql, const std::vector<std::string>& values) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(db_, sql, -1, &raw, nullptr) != SQLITE_OK) throw std::runtime_error(sqlite3_errmsg(db_));
    const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement(raw, sqlite3_finalize);
    for (std::size_t i = 0; i < values.size(); ++i)
      sqlite3_bind_text(raw, static_cast<int>(i) + 1, values[i].c_str(), -1, SQLITE_TRANSIENT);
    std::string out;
    int step = sqlite3_step(raw);
    for (; step == SQLITE_ROW; step = sqlite3_step(raw))
      out.append(reinterpret_cast<const char*>(sqlite3_column_text(raw, 0))).append("\n");
    if (step != SQLITE_DONE) throw std::runtime_error(sqlite3_errmsg(db_));
    return out;
  }
  sqlite3* db_ = nullptr;
  std::mutex mutex_;
};

int main(int argc, char** argv) {
  // A real one: const auto model = af::llm::model_from_environment(af::http::Client());
  const auto model = std::make_shared<af::testing::ScriptedModel>();
  model->call("search", af::JsonValue::parse(R"({"words": "dancing angles"})"))
      .reply("The angle of the dance is the angle to the sun (bees.txt).");

  const auto index = std::make_shared<Index>(argc > 1 ? argv[1] : ".");
  const auto search = af::tool("search", "Finds lines of the files, best first",
                               af::blocking([index](const Search& s) { return index->search(s.words); }));
  const auto options = af::AgentOptions().prompt("Answer from what the search gives, and name the file.");
  const auto agent = af::react_agent(model, {search}, options).compile();
  const auto result = agent.invoke("How do bees tell directions?");
  for (const af::Message& message : result->messages) std::cout << message << "\n";
}

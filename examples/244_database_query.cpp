// SPDX-License-Identifier: MIT
// A database query in a node: SQLite's calls block, so they run on a pool of threads, one connection at a time.
#include <cstdio>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <sqlite3.h>

#include <agentflow/agentflow.hpp>
#include <asio/awaitable.hpp>

namespace af = agentflow;

/// A connection; its calls block, and only one thread may be in it.
class Database {
 public:
  Database() {
    if (sqlite3_open(":memory:", &handle_) != SQLITE_OK) throw std::runtime_error("cannot open the database");
    execute("CREATE TABLE orders(customer TEXT, item TEXT)");
    execute("INSERT INTO orders VALUES ('ann', 'tea'), ('bob', 'coffee'), ('ann', 'cups')");
  }
  ~Database() { sqlite3_close(handle_); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Values are bound, never pasted into the statement.
  std::vector<std::string> items_of(const std::string& customer) {
    sqlite3_stmt* raw = nullptr;
    const char* sql = "SELECT item FROM orders WHERE customer = ?1 ORDER BY rowid";
    if (sqlite3_prepare_v2(handle_, sql, -1, &raw, nullptr) != SQLITE_OK)
      throw std::runtime_error(sqlite3_errmsg(handle_));
    const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement(raw, sqlite3_finalize);
    sqlite3_bind_text(raw, 1, customer.c_str(), -1, SQLITE_TRANSIENT);
    std::vector<std::string> items;
    while (sqlite3_step(raw) == SQLITE_ROW)
      items.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(raw, 0)));
    return items;
  }

 private:
  void execute(const char* sql) {
    if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK)
      throw std::runtime_error(sqlite3_errmsg(handle_));
  }
  sqlite3* handle_ = nullptr;
};

/// What the nodes share: the connection, and who may use it now.
class Shop {
 public:
  asio::awaitable<std::vector<std::string>> items_of(std::string customer) {
    const auto turn = co_await turns_.acquire();
    auto query = [this, customer = std::move(customer)] { return database_.items_of(customer); };
    auto items = co_await af::run_blocking(query);
    co_return items;
  }

 private:
  Database database_;
  af::Semaphore turns_{1};
};

asio::awaitable<std::string> look_up(const af::AgentState& s, af::NodeContext& ctx) {
  const auto items = co_await ctx.user<Shop>().items_of(s.messages.back().text());
  std::string answer = "ordered:";
  for (const auto& item : items) answer += " " + item;
  co_return answer;
}

asio::awaitable<int> amain() {
  af::StateGraph<> graph;
  graph.add_node("look_up", look_up).set_entry_point("look_up").add_edge("look_up", "END");
  const auto app = graph.compile();
  const auto config = af::RunConfig().context(std::make_shared<Shop>());

  // Two runs at once take turns at the connection, and the event loop is free all the time.
  const auto both = co_await af::gather(app.ainvoke("ann", config), app.ainvoke("bob", config));
  const auto& [ann, bob] = both;
  std::cout << ann->messages.back() << "\n" << bob->messages.back() << "\n";
  co_return ann->messages.back().text() == "ordered: tea cups" && bob->messages.back().text() == "ordered: coffee" ? 0
                                                                                                                   : 1;
}

int main() { return af::run(amain()); }

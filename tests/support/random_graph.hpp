// SPDX-License-Identifier: MIT
// Random programs as graphs of the library, and what the interpreter says of them.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include <agentflow/ports/checkpointer.hpp>
#include <agentflow/typed/state_graph.hpp>

#include "support/oracle.hpp"
#include "support/random_program.hpp"

namespace random_graph {

namespace af = agentflow;
using oracle::Choice;
using oracle::Deed;

/// `oracle::Ledger` with the library's reducers.
struct Book {
  af::List<std::string> trail;
  int sum = 0;
  std::set<int> seen;
  std::map<std::string, int> latest;
  int top = 0;
  int owner = 0;
};
AGENTFLOW_STATE(Book, (trail, af::append), (sum, af::sum), (seen, af::set_union), (latest, af::merge_map),
                (top, af::max), owner)

template <class L>
std::string text(const L& l) {
  std::ostringstream out;
  out << "trail";
  for (const auto& t : l.trail) out << ' ' << t;
  out << "; sum " << l.sum << "; seen";
  for (const int s : l.seen) out << ' ' << s;
  out << "; latest";
  for (const auto& [k, v] : l.latest) out << ' ' << k << '=' << v;
  out << "; top " << l.top << "; owner " << l.owner;
  return out.str();
}

struct Item {
  int value = 0;
};
AGENTFLOW_STATE(Item, value)

/// Called when a node begins, with its attempt; for tests that count.
inline std::function<void(const af::NodeContext&)>& on_node() {
  static std::function<void(const af::NodeContext&)> hook;
  return hook;
}

/// What all kinds of nodes share.
class Doer {
 public:
  explicit Doer(const oracle::Node& n)
      : deed_(n.deed), style_(n.style), flaky_(n.flaky), slow_(n.slow), fails_(n.fails) {}

 protected:
  void begin(af::NodeContext& ctx) const {
    if (fails_) throw std::runtime_error("fails for good");
    if (on_node()) on_node()(ctx);
    if (flaky_ && ctx.attempt() == 1) throw std::runtime_error("the first attempt fails");
  }
  asio::awaitable<void> pass_time(af::NodeContext& ctx) const {
    if (slow_ && ctx.attempt() == 1) co_await ctx.sleep(std::chrono::hours(24));
    if (style_ == 2)
      for (int i = 0; i < deed_.tag % 3 + 1; ++i) co_await asio::post(asio::use_awaitable);
    else if (style_ == 3)
      co_await ctx.sleep(std::chrono::seconds(10 - deed_.tag));
    begin(ctx);
  }
  Book changed(Book b) const {
    const int value = deed_.value(b.sum, b.trail.size());
    b.trail.push_back(deed_.name);
    b.sum += deed_.tag;
    b.seen.insert(deed_.tag);
    b.latest[std::to_string(deed_.key())] = value;
    b.top = std::max(b.top, value);
    if (deed_.owns) b.owner = value;
    return b;
  }
  af::Update<Book> changes(int sum, std::size_t trail) const {
    const int value = deed_.value(sum, trail);
    af::Update<Book> u;
    u.write<&Book::trail>(deed_.name);
    u.write<&Book::sum>(deed_.tag);
    u.write<&Book::seen>(deed_.tag);
    u.write<&Book::latest>(std::pair<const std::string, int>(std::to_string(deed_.key()), value));
    u.write<&Book::top>(value);
    if (deed_.owns) u.write<&Book::owner>(value);
    return u;
  }

 private:
  Deed deed_;
  int style_;
  bool flaky_, slow_, fails_;
};

struct Whole : Doer {
  using Doer::Doer;
  Book operator()(Book b, af::NodeContext& ctx) const {
    begin(ctx);
    return changed(std::move(b));
  }
};
struct WholeLater : Doer {
  using Doer::Doer;
  asio::awaitable<Book> operator()(Book b, af::NodeContext& ctx) const {
    co_await pass_time(ctx);
    co_return changed(std::move(b));
  }
};
struct Changes : Doer {
  using Doer::Doer;
  af::Update<Book> operator()(const Book& b, af::NodeContext& ctx) const {
    begin(ctx);
    return changes(b.sum, b.trail.size());
  }
};
struct ChangesLater : Doer {
  using Doer::Doer;
  asio::awaitable<af::Update<Book>> operator()(const Book& b, af::NodeContext& ctx) const {
    co_await pass_time(ctx);
    co_return changes(b.sum, b.trail.size());
  }
};
struct OfItem : Doer {
  using Doer::Doer;
  asio::awaitable<af::Update<Book>> operator()(Item item, af::NodeContext& ctx) const {
    co_await pass_time(ctx);
    co_return changes(item.value, 0);
  }
};
struct Commands : Doer {
  Commands(const oracle::Node& n, std::function<std::string(int)> name)
      : Doer(n), chooser(n.command), name_of(std::move(name)) {}
  af::Command<Book> operator()(const Book& b, af::NodeContext& ctx) const {
    begin(ctx);
    af::Command<Book> c;
    c.update(changes(b.sum, b.trail.size()));
    if (chooser.choice == Choice::sends)
      for (const int i : chooser.sends(b.sum)) c.send(af::Send(name_of(chooser.targets[0]), Item{i}));
    else
      for (const int t : chooser.names(b.sum, b.trail.size())) c.go_to(name_of(t));
    return c;
  }
  oracle::Chooser chooser;
  std::function<std::string(int)> name_of;
};

/// Builds the graph of a program.
class Builder {
 public:
  /// Limits in time need a clock that stands still.
  Builder(const oracle::Program& p, std::shared_ptr<af::Clock> clock, bool timed,
          std::shared_ptr<af::Checkpointer> store = nullptr)
      : p_(p), clock_(std::move(clock)), timed_(timed), store_(std::move(store)) {}

  af::CompiledGraph<Book> compile() {
    for (std::size_t i = 0; i < p_.nodes.size(); ++i) add(static_cast<int>(i));
    for (const int e : p_.entry) g_.set_entry_point(name_of(e));
    for (const auto& j : p_.joins) {
      std::vector<std::string> from;
      for (const int f : j.from) from.push_back(name_of(f));
      g_.add_edge(from, name_of(j.to));
    }
    return g_.compile(af::CompileOptions().clock(clock_).checkpointer(store_));
  }

 private:
  std::string name_of(int node) const { return node < 0 ? "END" : "n" + std::to_string(node); }
  std::vector<std::string> names_of(const std::vector<int>& nodes) const {
    std::vector<std::string> names;
    for (const int n : nodes) names.push_back(name_of(n));
    return names;
  }

  void add(int i) {
    oracle::Node n = p_.nodes[static_cast<std::size_t>(i)];
    n.slow = n.slow && timed_;
    const std::string name = name_of(i);
    auto namer = [](int node) { return node < 0 ? std::string("END") : "n" + std::to_string(node); };
    af::NodeOptions o;
    o.defer(n.defer);
    if (n.flaky || n.slow) o.retry(af::RetryPolicy().attempts(2).backoff(std::chrono::milliseconds(n.deed.tag)));
    if (n.slow) o.timeout(std::chrono::minutes(1));
    if (n.excused)
      g_.on_error(name, [deed = n.deed](const Book&, const af::error&) {
        return af::Update<Book>().write<&Book::trail>(deed.excuse()).write<&Book::sum>(deed.tag);
      });
    if (n.command.choice != Choice::none) {
      o.destinations(names_of(n.command.targets));
      if (n.both) o.edges(af::edges::both);
      g_.add_node(name, Commands(n, namer), o);
    } else if (n.item) {
      g_.add_node(name, OfItem(n), o);
    } else if (n.part && n.mapped) {
      auto to = [](const Book& b) {
        Book inner;
        inner.sum = b.sum;
        return inner;
      };
      auto from = [](const Book& b, Book inner) {
        af::Update<Book> u;
        u.write<&Book::trail>(inner.trail);
        u.write<&Book::sum>(inner.sum - b.sum);
        return u;
      };
      g_.add_subgraph(name, Builder(*n.part, clock_, timed_).compile(), to, from, o);
    } else if (n.part) {
      g_.add_node(name, Builder(*n.part, clock_, timed_).compile(), o);
    } else if (n.deed.as_update) {
      n.style == 0 ? g_.add_node(name, Changes(n), o) : g_.add_node(name, ChangesLater(n), o);
    } else {
      n.style == 0 ? g_.add_node(name, Whole(n), o) : g_.add_node(name, WholeLater(n), o);
    }
    for (const int e : n.edges) g_.add_edge(name, name_of(e));
    if (n.router.choice != Choice::none) add_router(name, n, namer);
  }

  void add_router(const std::string& name, const oracle::Node& n, std::function<std::string(int)> namer) {
    const auto targets = names_of(n.router.targets);
    const auto chooser = n.router;
    if (chooser.choice == Choice::sends) {
      g_.add_conditional_edges(
          name,
          [chooser, namer](const Book& b) {
            std::vector<af::Send> sends;
            for (const int i : chooser.sends(b.sum)) sends.emplace_back(namer(chooser.targets[0]), Item{i});
            return sends;
          },
          targets);
    } else if (chooser.choice == Choice::several) {
      g_.add_conditional_edges(
          name,
          [chooser, namer](const Book& b) {
            std::vector<std::string> names;
            for (const int t : chooser.names(b.sum, b.trail.size())) names.push_back(namer(t));
            return names;
          },
          targets);
    } else if (n.style == 2) {
      g_.add_conditional_edges(
          name,
          [chooser, namer](const Book& b) -> asio::awaitable<std::string> {
            co_await asio::post(asio::use_awaitable);
            co_return namer(chooser.names(b.sum, b.trail.size()).front());
          },
          targets);
    } else {
      g_.add_conditional_edges(
          name, [chooser, namer](const Book& b) { return namer(chooser.names(b.sum, b.trail.size()).front()); },
          targets);
    }
  }

  const oracle::Program& p_;
  std::shared_ptr<af::Clock> clock_;
  bool timed_;
  std::shared_ptr<af::Checkpointer> store_;
  af::StateGraph<Book> g_;
};

struct Expected {
  std::string state;  ///< Or what goes wrong.
  std::uint64_t steps = 0;
  std::set<std::string> wrong = {};  ///< What may.
};

inline std::optional<Expected> interpret(const oracle::Program& p) {
  try {
    oracle::Interpreter i(p);
    const auto state = i.run({});
    return Expected{text(state), i.steps()};
  } catch (const oracle::Wrong& w) {
    return Expected{"", 0, w.verdicts};
  } catch (const oracle::Endless&) {
    return std::nullopt;
  }
}

}  // namespace random_graph

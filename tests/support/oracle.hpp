// SPDX-License-Identifier: MIT
// Small programs as plain data, and what they mean: a single-threaded interpreter that shares no code with the engine.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace oracle {

/// The state that programs work on. Each field has another reducer: append, sum, set_union, merge_map, max, last_value.
struct Ledger {
  std::vector<std::string> trail;
  int sum = 0;
  std::set<int> seen;
  std::map<std::string, int> latest;
  int top = 0;
  int owner = 0;
};

/// What one node does: data, so that the interpreter and the engine can both do it.
struct Deed {
  std::string name;
  int tag = 1;
  bool as_update = false;  ///< Gives its changes instead of the whole state.
  bool owns = false;       ///< Writes the field that takes one writer.

  int key() const { return tag % 4; }
  std::string excuse() const { return name + "!"; }
  /// Depends on what the node sees, so that a wrong snapshot shows.
  int value(int sum, std::size_t trail) const { return sum * 3 + static_cast<int>(trail) + tag; }
};

enum class Choice { none, one, several, sends };

/// How a router or a Command chooses among its targets, from what it sees.
struct Chooser {
  Choice choice = Choice::none;
  std::vector<int> targets;  ///< Nodes, or -1 for END.
  std::size_t until = 0;     ///< With `one`: targets[0] while the trail is shorter, targets[1] after; 0: by the sum.

  std::vector<int> names(int sum, std::size_t trail) const {
    const auto n = targets.size();
    if (choice == Choice::one)
      return {until > 0 ? targets[trail < until ? 0 : 1] : targets[static_cast<std::size_t>(sum) % n]};
    std::vector<int> chosen;
    for (std::size_t i = 0; i < n; ++i)
      if ((static_cast<std::size_t>(sum) >> i) % 2 == 0 || i == static_cast<std::size_t>(sum) % n)
        chosen.push_back(targets[i]);
    return chosen;
  }
  /// The numbers that the Sends carry, all to targets[0].
  std::vector<int> sends(int sum) const {
    std::vector<int> items;
    for (int i = 0; i <= sum % 3; ++i) items.push_back(sum + i);
    return items;
  }
};

struct Program;

struct Node {
  Deed deed;
  int style = 0;      ///< How the engine runs it: function, coroutine, posts, sleeps. Without meaning here.
  bool item = false;  ///< Takes the number of a Send instead of the state.
  bool defer = false;
  bool flaky = false;    ///< Fails at its first attempt and is tried again. Without meaning here.
  bool slow = false;     ///< Passes its limit in time at its first attempt and is tried again. Without meaning here.
  bool fails = false;    ///< Fails for good.
  bool excused = false;  ///< If it fails, an error handler gives `excuse()` in its place.
  std::vector<int> edges;
  Chooser router;
  Chooser command;
  bool both = false;  ///< The command's targets are taken besides the edges.
  std::shared_ptr<Program> part;
  bool mapped = false;  ///< The part begins with an empty trail and gives its trail and sum back.
};

struct Join {
  std::vector<int> from;
  int to = 0;
};

struct Program {
  std::vector<Node> nodes;
  std::vector<int> entry;
  std::vector<Join> joins;
};

/// The program ends with an error: one of these, if several tasks of one step come to grief, whichever is first.
/// "conflict": two tasks of one step wrote the field that takes one writer. "starved": nothing is left to run, and a
/// join still waits for some of its sources. "failed": a node fails for good, and has no handler.
struct Wrong {
  std::set<std::string> verdicts;
};
/// The program takes more steps than anybody wants to wait for.
struct Endless {};

/// Runs a program by the rules of the documentation.
class Interpreter {
 public:
  explicit Interpreter(const Program& p) : p_(p), come_(p.joins.size()) {}

  Ledger run(Ledger state) {
    for (const int t : p_.entry) trigger(t);
    for (;;) {
      if (ready_.empty()) ready_.swap(deferred_);
      if (ready_.empty()) break;
      if (++steps_ > max_steps) throw Endless();
      step(state);
    }
    if (std::any_of(come_.begin(), come_.end(), [](const auto& m) { return !m.empty(); })) throw Wrong{{"starved"}};
    return state;
  }
  std::uint64_t steps() const { return steps_; }

  static constexpr std::uint64_t max_steps = 200;

 private:
  struct Task {
    int node;
    int order;  ///< 0 for an edge, else the number of the Send.
    int item;
  };
  struct Change {
    std::vector<std::string> trail;
    std::optional<std::vector<std::string>> whole_trail;
    int sum = 0;
    std::set<int> seen;
    std::map<std::string, int> latest;
    std::optional<int> top, owner;
    std::vector<int> names;  ///< Of a Command.
    std::vector<int> items;
  };

  void trigger(int node) {
    if (node < 0) return;
    auto& list = p_.nodes[static_cast<std::size_t>(node)].defer ? deferred_ : ready_;
    const bool there =
        std::any_of(list.begin(), list.end(), [&](const Task& t) { return t.node == node && t.order == 0; });
    if (!there) list.push_back({node, 0, 0});
  }
  void send(int node, int item) { ready_.push_back({node, ++sends_, item}); }

  void step(Ledger& state) {
    std::vector<Task> tasks;
    tasks.swap(ready_);
    std::stable_sort(tasks.begin(), tasks.end(), [](const Task& a, const Task& b) {
      return std::tie(a.node, a.order) < std::tie(b.node, b.order);
    });
    sends_ = 0;
    std::vector<Change> changes;
    Wrong wrong;
    for (const Task& t : tasks) try {
        changes.push_back(perform(p_.nodes[static_cast<std::size_t>(t.node)], t.item, state));
      } catch (const Wrong& w) {
        wrong.verdicts.insert(w.verdicts.begin(), w.verdicts.end());
      }
    if (!wrong.verdicts.empty()) throw wrong;
    if (std::count_if(changes.begin(), changes.end(), [](const Change& c) { return c.owner.has_value(); }) > 1)
      throw Wrong{{"conflict"}};
    for (const Change& c : changes) apply(c, state);
    for (std::size_t i = 0; i < tasks.size(); ++i) route(tasks[i].node, changes[i], state);
  }

  static Change act(const Deed& d, int sum, std::size_t trail) {
    Change c;
    c.trail = {d.name};
    c.sum = d.tag;
    c.seen = {d.tag};
    c.latest = {{std::to_string(d.key()), d.value(sum, trail)}};
    c.top = d.value(sum, trail);
    if (d.owns) c.owner = d.value(sum, trail);
    return c;
  }
  /// What is left of a change if the node gives the whole state: only what differs from what it saw.
  static Change seen_from(const Ledger& base, Change c) {
    for (const auto& [key, value] : base.latest)
      if (const auto it = c.latest.find(key); it != c.latest.end() && it->second == value) c.latest.erase(it);
    for (const int s : base.seen) c.seen.erase(s);
    if (c.owner == base.owner) c.owner.reset();
    if (c.top && *c.top <= base.top) c.top.reset();
    return c;
  }

  Change perform(const Node& n, int item, const Ledger& state) {
    if (n.fails) {
      if (!n.excused) throw Wrong{{"failed"}};
      Change c;
      c.trail = {n.deed.excuse()};
      c.sum = n.deed.tag;
      return c;
    }
    if (n.part) return perform_part(n, state);
    Change c = n.item ? act(n.deed, item, 0) : act(n.deed, state.sum, state.trail.size());
    if (!n.item && !n.deed.as_update && n.command.choice == Choice::none) c = seen_from(state, std::move(c));
    if (n.command.choice == Choice::sends) c.items = n.command.sends(state.sum);
    if (n.command.choice == Choice::one || n.command.choice == Choice::several)
      c.names = n.command.names(state.sum, state.trail.size());
    return c;
  }
  Change perform_part(const Node& n, const Ledger& state) {
    Interpreter inner(*n.part);
    Ledger input = state;
    if (n.mapped) {
      input = Ledger();
      input.sum = state.sum;
    }
    const Ledger result = inner.run(input);
    Change c;
    if (n.mapped) {
      c.trail = result.trail;
      c.sum = result.sum - state.sum;
      return c;
    }
    c.trail.assign(result.trail.begin() + static_cast<std::ptrdiff_t>(state.trail.size()), result.trail.end());
    c.sum = result.sum - state.sum;
    c.seen = result.seen;
    c.latest = result.latest;
    c.top = result.top;
    c.owner = result.owner;
    return seen_from(state, std::move(c));
  }

  static void apply(const Change& c, Ledger& s) {
    s.trail.insert(s.trail.end(), c.trail.begin(), c.trail.end());
    s.sum += c.sum;
    s.seen.insert(c.seen.begin(), c.seen.end());
    for (const auto& [key, value] : c.latest) s.latest[key] = value;
    if (c.top) s.top = std::max(s.top, *c.top);
    if (c.owner) s.owner = *c.owner;
  }

  void route(int node, const Change& c, const Ledger& state) {
    const Node& n = p_.nodes[static_cast<std::size_t>(node)];
    if (n.command.choice != Choice::none) {
      for (const int t : c.names) trigger(t);
      for (const int item : c.items) send(n.command.targets[0], item);
      if (!n.both) return;
    }
    for (const int t : n.edges) trigger(t);
    for (std::size_t j = 0; j < p_.joins.size(); ++j) {
      const auto& from = p_.joins[j].from;
      if (std::find(from.begin(), from.end(), node) == from.end()) continue;
      come_[j].insert(node);
      if (come_[j].size() < from.size()) continue;
      come_[j].clear();
      trigger(p_.joins[j].to);
    }
    if (n.router.choice == Choice::sends)
      for (const int item : n.router.sends(state.sum)) send(n.router.targets[0], item);
    else if (n.router.choice != Choice::none)
      for (const int t : n.router.names(state.sum, state.trail.size())) trigger(t);
  }

  const Program& p_;
  std::vector<Task> ready_, deferred_;
  std::vector<std::set<int>> come_;  ///< Per join that is not complete: who has come.
  int sends_ = 0;
  std::uint64_t steps_ = 0;
};

}  // namespace oracle

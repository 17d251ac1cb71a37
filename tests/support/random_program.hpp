// SPDX-License-Identifier: MIT
// Makes random programs from a seed: sequences, branches, joins, choices, loops, Sends, Commands, parts within parts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "support/oracle.hpp"

namespace oracle {

/// Makes one program: of `size` pieces, parts not counted. The same random numbers give the same program.
class Generator {
 public:
  Generator(std::mt19937_64& random, std::string prefix, int depth, int size)
      : random_(random), prefix_(std::move(prefix)), depth_(depth), left_(size) {}

  std::shared_ptr<Program> make() {
    for (int entries = chance(15) ? 2 : 1; entries > 0; --entries) {
      const Piece piece = sequence(false);
      p_->entry.push_back(piece.in);
      edge(piece.out, -1);
    }
    return p_;
  }

 private:
  /// A piece of a program with one way in and one way out. `sure`: whoever enters it comes out, by edges alone.
  struct Piece {
    int in, out;
    bool sure;
  };

  int pick(int low, int high) { return low + static_cast<int>(random_() % static_cast<std::uint64_t>(high - low + 1)); }
  bool chance(int percent) { return pick(1, 100) <= percent; }
  Node& node(int i) { return p_->nodes[static_cast<std::size_t>(i)]; }
  void edge(int from, int to) { node(from).edges.push_back(to); }

  int leaf() {
    --left_;
    Node n;
    n.deed.name = prefix_ + std::to_string(p_->nodes.size());
    n.deed.tag = pick(1, 9);
    n.deed.as_update = chance(40);
    n.deed.owns = chance(5);
    n.style = pick(0, 3);
    n.flaky = chance(10);
    n.slow = !n.flaky && n.style >= 2 && chance(20);
    n.fails = chance(4);
    n.excused = n.fails && chance(75);
    p_->nodes.push_back(std::move(n));
    return static_cast<int>(p_->nodes.size()) - 1;
  }
  Piece single() {
    const int n = leaf();
    return {n, n, true};
  }

  /// One to three pieces, one after the other.
  Piece sequence(bool sure) {
    Piece all = piece(sure);
    for (int more = pick(0, 2); more > 0 && left_ > 0; --more) {
      const Piece next = piece(sure);
      edge(all.out, next.in);
      all = {all.in, next.out, all.sure && next.sure};
    }
    return all;
  }

  /// With `sure`, only pieces that are.
  Piece piece(bool sure) {
    if (left_ <= 1) return single();
    switch (pick(0, sure ? 5 : 11)) {
      case 0:
      case 1: return single();
      case 2: return part();
      case 3:
      case 4: return joined();
      case 5: return sequence(sure);
      case 6: return deferred();
      case 7: return choice();
      case 8: return loop();
      case 9: return spread();
      default: return command();
    }
  }

  Piece joined() {
    const int fork = leaf();
    Join join;
    for (int branches = pick(2, chance(10) ? 8 : 3); branches > 0; --branches) {
      const Piece branch = sequence(true);
      edge(fork, branch.in);
      join.from.push_back(branch.out);
    }
    join.to = leaf();
    p_->joins.push_back(join);
    return {fork, join.to, true};
  }

  Piece deferred() {
    const int fork = leaf();
    const std::vector<Piece> branches = several(2, 3);
    const int end = leaf();
    node(end).defer = true;
    for (const Piece& b : branches) {
      edge(fork, b.in);
      edge(b.out, end);
    }
    return {fork, end, false};
  }

  std::vector<Piece> several(int low, int high) {
    std::vector<Piece> pieces;
    for (int n = pick(low, high); n > 0; --n) pieces.push_back(sequence(false));
    return pieces;
  }
  /// Lets `chooser` of node `from` choose among the pieces, which all lead to a new node.
  Piece chosen(int from, Chooser Node::* chooser) {
    const std::vector<Piece> pieces = several(1, 3);
    const int end = leaf();
    Chooser c;
    c.choice = chance(50) ? Choice::one : Choice::several;
    node(end).defer = c.choice == Choice::several && chance(60);
    for (const Piece& b : pieces) {
      c.targets.push_back(b.in);
      edge(b.out, end);
    }
    if (c.choice == Choice::one && chance(20)) c.targets.push_back(-1);
    node(from).*chooser = c;
    node(from).excused = false;  // an excuse makes no choice
    return {from, end, false};
  }
  Piece choice() { return chosen(leaf(), &Node::router); }

  Piece command() {
    const int from = leaf();
    if (chance(30)) return spread_from(from, &Node::command);
    const Piece all = chosen(from, &Node::command);
    if (chance(30)) {
      node(from).both = true;
      const int also = leaf();
      edge(from, also);
      edge(also, all.out);
    }
    return all;
  }

  Piece spread() { return spread_from(leaf(), &Node::router); }
  Piece spread_from(int from, Chooser Node::* chooser) {
    const int item = leaf();
    node(item).item = true;
    const int end = leaf();
    edge(item, end);
    Chooser c;
    c.choice = Choice::sends;
    c.targets = {item};
    node(from).*chooser = c;
    node(from).excused = false;
    return {from, end, false};
  }

  Piece loop() {
    const Piece body = sequence(false);
    const int turn = leaf(), end = leaf();
    edge(body.out, turn);
    Chooser c;
    c.choice = Choice::one;
    c.until = static_cast<std::size_t>(pick(4, 25));
    c.targets = {body.in, end};
    node(turn).router = c;
    node(turn).excused = false;
    return {body.in, end, false};
  }

  Piece part() {
    const int n = leaf();
    if (depth_ >= 3) return {n, n, true};
    auto inner = Generator(random_, node(n).deed.name + ".", depth_ + 1, pick(1, 5)).make();
    node(n).part = std::move(inner);
    node(n).mapped = chance(30);
    node(n).flaky = node(n).slow = node(n).fails = node(n).excused = false;
    return {n, n, true};
  }

  std::mt19937_64& random_;
  std::string prefix_;
  int depth_;
  int left_;
  std::shared_ptr<Program> p_ = std::make_shared<Program>();
};

}  // namespace oracle

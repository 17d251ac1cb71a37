// SPDX-License-Identifier: MIT
// Errors: one hierarchy, codes, texts, causes; and what a run makes of anything that is thrown.
#include <agentflow/core/error.hpp>

#include <chrono>
#include <exception>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/core/find_cause.hpp>

#include "support/catch.hpp"

namespace af = agentflow;
using af::errc;
using af::error;
using af::ErrorContext;

namespace {

template <class E, class Outer>
std::exception_ptr wrap(E inner, Outer outer) {
  try {
    try {
      throw inner;
    } catch (...) {
      std::throw_with_nested(std::move(outer));
    }
  } catch (...) {
    return std::current_exception();
  }
}
template <class F>
std::exception_ptr caught(F fn) {
  try {
    fn();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

}  // namespace

TEST_CASE("All errors derive from agentflow::error, and that from std::exception", "[error]") {
  static_assert(std::is_base_of_v<std::exception, error>);
  static_assert(std::is_base_of_v<error, af::graph_error>);
  static_assert(std::is_base_of_v<error, af::node_error>);
  static_assert(std::is_base_of_v<error, af::timeout_error>);
  static_assert(std::is_base_of_v<error, af::routing_error>);
  static_assert(std::is_base_of_v<error, af::state_error>);
  static_assert(std::is_base_of_v<error, af::recursion_error>);
  static_assert(std::is_base_of_v<error, af::cancelled_error>);
  static_assert(std::is_base_of_v<error, af::nested_loop_error>);
  static_assert(std::is_base_of_v<error, af::graph_closed_error>);
  static_assert(std::is_base_of_v<error, af::config_error>);
  static_assert(std::is_base_of_v<error, af::json_error>);
  static_assert(std::is_nothrow_copy_constructible_v<error> && std::is_nothrow_copy_assignable_v<error>);
  static_assert(std::is_nothrow_copy_constructible_v<af::graph_error> &&
                std::is_nothrow_copy_constructible_v<af::timeout_error>);
  CHECK_THROWS_AS(throw af::timeout_error("late", std::chrono::seconds(1)), std::exception);
}

TEST_CASE("Every code has a name of its own", "[error]") {
  std::set<std::string> names;
  int codes = 0;
  for (int c = static_cast<int>(errc::graph_invalid); c <= static_cast<int>(errc::storage_forked); ++c, ++codes) {
    const auto name = std::string(af::code_name(static_cast<errc>(c)));
    CHECK(name.find('_') != std::string::npos);
    names.insert(name);
  }
  CHECK(names.size() == static_cast<std::size_t>(codes));
  CHECK(af::code_name(errc::graph_no_entry) == "GRAPH_002");
  CHECK(af::code_name(errc::graph_orphan) == "GRAPH_003");
  CHECK(af::code_name(errc::graph_unknown_name) == "GRAPH_004");
  CHECK(af::code_name(errc::node_failed) == "NODE_001");
}

TEST_CASE("what() is one line: code, message, and the context that is known", "[error]") {
  const error plain(errc::bad_config, "no good");
  CHECK(plain.what() == std::string("RUN_005: no good"));
  CHECK(plain.message() == "no good");
  CHECK(plain.code() == errc::bad_config);
  CHECK(plain.context().node().empty());
  CHECK(plain.context().step() == 0);
  CHECK(plain.cause() == nullptr);
  const af::node_error full(
      errc::node_failed, "it broke",
      ErrorContext().node("outer/inner").step(3).attempt(2).field("log").thread_id("alice").run_id("r1"));
  CHECK(full.what() ==
        std::string("NODE_001: it broke [node=outer/inner, step=3, attempt=2, field=log, thread=alice, run=r1]"));
  CHECK(full.context().node() == "outer/inner");
  CHECK(full.context().step() == 3);
  CHECK(full.context().attempt() == 2);
  CHECK(full.context().field() == "log");
  CHECK(full.context().thread_id() == "alice");
  CHECK(full.context().run_id() == "r1");
}

TEST_CASE("Errors are values: copies tell the same", "[error]") {
  error a(errc::cancelled, "stopped", ErrorContext().step(1));
  const error b = a;
  a = error(errc::internal, "other");
  CHECK(b.what() == std::string("RUN_002: stopped [step=1]"));
  CHECK(a.code() == errc::internal);
  const error moved = std::move(a);
  CHECK(moved.message() == "other");
}

TEST_CASE("Limits are in the errors about them", "[error]") {
  const af::timeout_error t("late", std::chrono::milliseconds(1500), ErrorContext().node("n"));
  CHECK(t.limit() == std::chrono::milliseconds(1500));
  CHECK(t.code() == errc::node_timeout);
  const af::recursion_error r(25, ErrorContext().node("n"));
  CHECK(r.limit() == 25);
  CHECK(r.code() == errc::recursion_limit);
  CHECK(r.message().find("25") != std::string::npos);
}

TEST_CASE("A graph error lists its problems", "[error]") {
  const af::GraphProblem one(errc::graph_no_entry, "no entry point", {}),
      two(errc::graph_orphan, "nobody reaches 'x'", {"x"});
  const af::graph_error single({one});
  CHECK(single.code() == errc::graph_no_entry);
  CHECK(single.what() == std::string("GRAPH_002: no entry point"));
  const af::graph_error both({one, two});
  CHECK(both.code() == errc::graph_invalid);
  CHECK(
      both.what() ==
      std::string("GRAPH_000: the graph has 2 problems\n  GRAPH_002: no entry point\n  GRAPH_003: nobody reaches 'x'"));
  CHECK((both.has(errc::graph_orphan) && both.has(errc::graph_no_entry) && !both.has(errc::graph_no_exit)));
  const af::graph_error copy = both;
  CHECK(copy.problems().size() == 2);
  CHECK(copy.problems()[1].names == std::vector<std::string>{"x"});
}

TEST_CASE("describe() follows the causes, whatever their type", "[error]") {
  const auto text = [](const std::exception_ptr& e) { return af::describe(e); };
  const error outer(errc::node_failed, "outer");
  CHECK(text(wrap(std::runtime_error("inner"), outer)) == "NODE_001: outer\n  caused by: inner");
  CHECK(text(wrap(7, outer)) == "NODE_001: outer\n  caused by: int: 7");
  CHECK(text(wrap("text", outer)) == "NODE_001: outer\n  caused by: const char*: text");
  CHECK(text(wrap(static_cast<const char*>(nullptr), outer)) == "NODE_001: outer\n  caused by: const char*: (null)");
  CHECK(text(wrap(std::string("text"), outer)) == "NODE_001: outer\n  caused by: std::string: text");
  CHECK(text(wrap(2.5, outer)) == "NODE_001: outer\n  caused by: an object that is not a std::exception");
  CHECK(text(std::make_exception_ptr(7)) == "int: 7");
  CHECK(text(nullptr).empty());
  const auto deep = caught([&] {
    try {
      std::rethrow_exception(wrap(std::logic_error("first"), error(errc::reducer_failed, "second")));
    } catch (...) {
      std::throw_with_nested(std::runtime_error("third"));
    }
  });
  CHECK(text(deep) == "third\n  caused by: STATE_002: second\n    caused by: first");
}

TEST_CASE("An error is found among the causes of another", "[error]") {
  const auto search = [](auto innermost) {
    const auto middle = wrap(std::move(innermost), error(errc::node_failed, "middle"));
    try {
      try {
        std::rethrow_exception(middle);
      } catch (...) {
        std::throw_with_nested(std::runtime_error("outer"));
      }
    } catch (const std::exception& e) {
      CHECK(af::find_cause<std::runtime_error>(e)->what() == std::string("outer"));
      CHECK(af::find_cause<error>(e)->code() == errc::node_failed);
      return af::find_cause<af::json_error>(e);
    }
  };
  const auto found = search(af::json_error(errc::json_type, "a list"));
  REQUIRE(found.has_value());
  CHECK(found->code() == errc::json_type);
  CHECK_FALSE(search(std::logic_error("another")).has_value());
  CHECK_FALSE(search(42).has_value());
}

TEST_CASE("describe() of endless causes ends", "[error]") {
  auto e = std::make_exception_ptr(std::runtime_error("0"));
  for (int i = 1; i < 200; ++i)
    e = caught([&] {
      try {
        std::rethrow_exception(e);
      } catch (...) {
        std::throw_with_nested(std::runtime_error(std::to_string(i)));
      }
    });
  const auto text = af::describe(e);
  CHECK(text.substr(0, 3) == "199");
  CHECK(text.size() < 2000);
}

TEST_CASE("The cause can be thrown again", "[error]") {
  try {
    std::rethrow_exception(
        wrap(std::out_of_range("inner"), af::state_error(errc::reducer_failed, "outer", ErrorContext().field("f"))));
  } catch (const af::state_error& e) {
    REQUIRE(e.cause() != nullptr);
    CHECK_THROWS_AS(std::rethrow_exception(e.cause()), std::out_of_range);
    CHECK_THROWS_WITH(std::rethrow_if_nested(e), "inner");
    CHECK(e.context().field() == "f");
    CHECK(af::describe(e) == "STATE_002: outer [field=f]\n  caused by: inner");
    std::ostringstream out;
    out << e;
    CHECK(out.str() == af::describe(e));
  }
  const error alone(errc::internal, "alone");
  CHECK_NOTHROW(std::rethrow_if_nested(alone));
  CHECK(af::describe(alone) == "SYS_002: alone");
}

// SPDX-License-Identifier: MIT
// A recursive-descent parser that works out what it reads.
#include "calculator.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>
#include <vector>

#include <fmt/format.h>

#include <agentflow/ports/tool.hpp>

namespace agent_cli {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  double run() {
    const double value = sum();
    skip_space();
    if (at_ != text_.size()) fail("expected an operator");
    if (!std::isfinite(value))
      throw agentflow::tool_error("the result is not a number: a division by zero, or too large");
    return value;
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw agentflow::tool_error(fmt::format("{} at character {} of the expression", what, at_ + 1));
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool eat(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  double sum() {
    double value = product();
    for (;;) {
      if (eat('+'))
        value += product();
      else if (eat('-'))
        value -= product();
      else
        return value;
    }
  }
  double product() {
    double value = unary();
    for (;;) {
      if (eat('*'))
        value *= unary();
      else if (eat('/'))
        value /= unary();
      else if (eat('%'))
        value = std::fmod(value, unary());
      else
        return value;
    }
  }
  double unary() {
    if (++depth_ > 100) fail("the expression nests too deeply");
    double value = 0;
    if (eat('-'))
      value = -unary();
    else if (eat('+'))
      value = unary();
    else
      value = power();
    --depth_;
    return value;
  }
  double power() {
    const double base = atom();
    return eat('^') ? std::pow(base, unary()) : base;
  }
  double atom() {
    skip_space();
    if (eat('(')) {
      const double value = sum();
      if (!eat(')')) fail("expected ')'");
      return value;
    }
    if (at_ < text_.size() && std::isalpha(static_cast<unsigned char>(text_[at_])) != 0) return named();
    double value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) fail("expected a number");
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }
  double named() {
    const std::size_t start = at_;
    while (at_ < text_.size() && std::isalpha(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    const std::string_view name = text_.substr(start, at_ - start);
    if (name == "pi") return std::numbers::pi;
    if (name == "e") return std::numbers::e;
    if (!eat('(')) fail(fmt::format("'{}' is not known", name));
    std::vector<double> arguments{sum()};
    while (eat(',')) arguments.push_back(sum());
    if (!eat(')')) fail("expected ')'");
    return apply(name, arguments);
  }
  double apply(std::string_view name, const std::vector<double>& arguments) const {
    if (name == "min") return *std::min_element(arguments.begin(), arguments.end());
    if (name == "max") return *std::max_element(arguments.begin(), arguments.end());
    if (arguments.size() != 1) fail(fmt::format("'{}' takes one argument", name));
    const double x = arguments.front();
    if (name == "sqrt") return std::sqrt(x);
    if (name == "abs") return std::abs(x);
    if (name == "round") return std::round(x);
    if (name == "floor") return std::floor(x);
    if (name == "ceil") return std::ceil(x);
    if (name == "ln") return std::log(x);
    if (name == "log") return std::log10(x);
    if (name == "exp") return std::exp(x);
    if (name == "sin") return std::sin(x);
    if (name == "cos") return std::cos(x);
    if (name == "tan") return std::tan(x);
    fail(fmt::format("the function '{}' is not known", name));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

double calculate(std::string_view expression) {
  if (expression.size() > 1'000) throw agentflow::tool_error("the expression is longer than 1,000 characters");
  return Parser(expression).run();
}

std::string number_text(double value) {
  if (std::floor(value) == value && std::abs(value) < 1e15) return fmt::format("{:.0f}", value);
  return fmt::format("{:.12g}", value);
}

}  // namespace agent_cli

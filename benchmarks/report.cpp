// SPDX-License-Identifier: MIT
// The report: a table to read, JSON to keep, and what the targets say.
#include "bench.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include <agentflow/core/json_writer.hpp>

namespace bench {
namespace {

namespace af = agentflow;

/// Three significant digits, or all of the integer part.
std::string number(std::optional<double> v) {
  if (!v) return "-";
  std::array<char, 64> text{};
  const double size = *v < 0 ? -*v : *v;
  std::snprintf(text.data(), text.size(),
                size >= 100 || *v == static_cast<double>(static_cast<long long>(*v)) ? "%.0f"
                : size >= 10                                                         ? "%.1f"
                                                                                     : "%.2f",
                *v);
  return text.data();
}

/// Each part of a target with what was measured for it, and whether it is "at least" instead of "at most".
template <class F>
void each_limit(const Row& row, const Target& t, F&& fn) {
  if (t.ns) fn("ns", *t.ns, row.ns, false);
  if (t.ir) fn("ir", *t.ir, row.ir, false);
  if (t.mallocs) fn("mallocs", *t.mallocs, row.mallocs, false);
  if (t.bytes) fn("bytes", *t.bytes, row.bytes, false);
  if (t.ratio) fn("ratio", *t.ratio, row.ratio, false);
  if (t.ratio_at_least) fn("ratio", *t.ratio_at_least, row.ratio, true);
}

}  // namespace

std::string to_string(const Target& target) {
  const Row row;
  std::string text;
  each_limit(row, target, [&](const char* what, double limit, const auto&, bool at_least) {
    text += (text.empty() ? "" : ", ") + std::string(at_least ? ">= " : "<= ") + number(limit) + " " + what;
  });
  return text;
}

std::optional<bool> met(const Row& row) {
  std::optional<bool> all;
  each_limit(row, row.target, [&](const char*, double limit, const std::optional<double>& value, bool at_least) {
    if (value) all = all.value_or(true) && (at_least ? *value >= limit : *value <= limit);
  });
  return all;
}

std::vector<std::string> missed_counters(const std::vector<Row>& rows) {
  std::vector<std::string> missed;
  for (const Row& row : rows) {
    Target limits = row.target;
    if (row.allowed.ir) limits.ir = row.allowed.ir;
    if (row.allowed.mallocs) limits.mallocs = row.allowed.mallocs;
    if (row.allowed.bytes) limits.bytes = row.allowed.bytes;
    each_limit(row, limits, [&](const char* what, double limit, const std::optional<double>& value, bool) {
      const std::string_view counter = what;
      if (counter == "ns" || counter == "ratio") return;
      if (!value)
        missed.push_back(row.name() + ": " + what + " could not be counted");
      else if (*value > limit)
        missed.push_back(row.name() + ": " + number(value) + " " + what + " per " + row.unit + ", at most " +
                         number(limit));
    });
  }
  return missed;
}

std::string table(const std::vector<Row>& rows) {
  std::vector<std::vector<std::string>> cells{
      {"workload", "variant", "unit", "ns", "min", "ir", "mallocs", "bytes", "ratio", "floor", "target", "met"}};
  for (const Row& r : rows) {
    const auto ok = met(r);
    cells.push_back({r.workload, r.variant, r.unit, number(r.ns), number(r.min_ns), number(r.ir), number(r.mallocs),
                     number(r.bytes), number(r.ratio), number(r.floor_ns), to_string(r.target),
                     !ok   ? ""
                     : *ok ? "yes"
                           : "NO"});
  }
  std::vector<std::size_t> widths(cells.front().size());
  for (const auto& line : cells)
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  std::string text;
  for (const auto& line : cells) {
    std::string out;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string gap(widths[i] - line[i].size(), ' ');
      const bool is_number = i >= 3 && i <= 9;
      out += (i == 0 ? "" : "  ") + (is_number ? gap + line[i] : line[i] + gap);
    }
    out.erase(out.find_last_not_of(' ') + 1);
    text += out + "\n";
  }
  return text;
}

std::string json(const std::vector<Row>& rows) {
  std::string text = "[";
  for (const Row& r : rows) {
    text += &r == rows.data() ? "\n  " : ",\n  ";
    af::JsonWriter out(text);
    const auto member = [&](std::string_view key, const std::optional<double>& value) {
      out.key(key);
      value ? out.number(*value) : out.null();
    };
    const auto text_member = [&](std::string_view key, const std::string& value) {
      out.key(key);
      value.empty() ? out.null() : out.string(value);
    };
    out.begin_object();
    text_member("workload", r.workload);
    text_member("variant", r.variant);
    text_member("unit", r.unit);
    member("ns", r.ns);
    member("min_ns", r.min_ns);
    member("ir", r.ir);
    member("mallocs", r.mallocs);
    member("bytes", r.bytes);
    member("ratio", r.ratio);
    member("floor_ns", r.floor_ns);
    text_member("target", to_string(r.target));
    out.key("met");
    if (const auto ok = met(r))
      out.boolean(*ok);
    else
      out.null();
    out.end_object();
  }
  return text + "\n]\n";
}

}  // namespace bench

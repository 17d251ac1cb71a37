// SPDX-License-Identifier: MIT
// Measuring: time as the median of several samples, allocations and instructions by counting.
#include "bench.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <stdexcept>

namespace bench {
namespace {

double now_ns() {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// How often to run so that one sample takes about `wanted` ns.
long calibrate(const std::function<void(long)>& fn, double wanted) {
  long runs = 1;
  for (;;) {
    const double took = time_of(fn, runs) * static_cast<double>(runs);
    if (took >= wanted / 2 || runs > (1L << 28))
      return std::max(1L, std::lround(static_cast<double>(runs) * wanted / took));
    runs = took < wanted / 40 ? runs * 16 : std::lround(static_cast<double>(runs) * wanted / took) + 1;
  }
}

/// The calls of a run itself, without those of starting a series of runs.
void count_heap(const Case& c, Row& row) {
  if (!heap_is_counted()) return;
  constexpr long runs = 4;
  c.run(runs);
  const HeapCount a = heap_count();
  c.run(runs);
  const HeapCount b = heap_count();
  c.run(2 * runs);
  const HeapCount d = heap_count();
  const auto per_run = [&](std::uint64_t x, std::uint64_t y, std::uint64_t z) {
    return (static_cast<double>(z - y) - static_cast<double>(y - x)) / (runs * c.units);
  };
  row.mallocs = per_run(a.calls, b.calls, d.calls);
  row.bytes = per_run(a.bytes, b.bytes, d.bytes);
}

}  // namespace

double time_of(const std::function<void(long)>& fn, long runs) {
  const double start = now_ns();
  fn(runs);
  return (now_ns() - start) / static_cast<double>(runs);
}

double median(std::vector<double> samples) {
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  return *middle;
}

void verify(bool ok, std::string_view what) {
  if (!ok) throw std::runtime_error("a workload did not yield what it must: " + std::string(what));
}

bool Session::considers(std::string_view name) const noexcept {
  if (!options_.ir_name.empty()) return name == options_.ir_name;
  return name.find(options_.filter) != std::string_view::npos;
}

bool Session::wants(std::string_view name) {
  if (!options_.ir_name.empty() || !considers(name)) return false;
  if (options_.list) std::printf("%.*s\n", static_cast<int>(name.size()), name.data());
  return !options_.list;
}

void Session::add(Row row) {
  std::fprintf(stderr, "\r\033[K%s", row.name().c_str());
  rows_.push_back(std::move(row));
}

std::optional<Row> Session::measure(const Case& c) {
  if (!options_.ir_name.empty()) {
    if (considers(c.name())) c.run(options_.ir_runs);
    return std::nullopt;
  }
  if (!wants(c.name())) return std::nullopt;

  Row row{.workload = c.workload, .variant = c.variant, .unit = c.unit, .target = c.target, .allowed = c.allowed};
  c.run(1);  // builds caches, and verifies before anything is measured
  count_heap(c, row);

  // Short samples, and many: most then fit between two interruptions by whatever else the machine does.
  const double sample_ns = 1e6;
  const int samples = options_.check ? 5 : options_.quick ? 15 : 101;
  const long runs = calibrate(c.run, sample_ns);
  const long floor_runs = c.floor ? calibrate(c.floor, sample_ns) : 0;
  std::vector<double> times, floors;
  for (int i = 0; i < samples; ++i) {
    times.push_back(time_of(c.run, runs) / c.units);
    // In turn, so that both see the machine in the same mood.
    if (c.floor) floors.push_back(time_of(c.floor, floor_runs) / c.units);
  }
  row.min_ns = *std::min_element(times.begin(), times.end());
  row.ns = median(std::move(times));
  if (c.floor) row.floor_ns = median(std::move(floors));

  if (c.count_instructions && options_.callgrind) {
    const long counted = std::clamp(std::lround(1e6 / (*row.min_ns * c.units)), 4L, 500L);
    if (const auto per_run = instructions(c.name(), counted)) row.ir = *per_run / c.units;
  }
  add(row);
  return row;
}

void Session::add_slope(Row slope, const std::optional<Row>& small, double small_size, const std::optional<Row>& large,
                        double large_size) {
  if (!small || !large) return;
  const auto between = [&](auto member) -> std::optional<double> {
    if (!((*small).*member) || !((*large).*member)) return std::nullopt;
    return (*((*large).*member) - *((*small).*member)) / (large_size - small_size);
  };
  slope.ns = between(&Row::ns);
  slope.min_ns = between(&Row::min_ns);
  slope.ir = between(&Row::ir);
  slope.mallocs = between(&Row::mallocs);
  slope.bytes = between(&Row::bytes);
  slope.floor_ns = between(&Row::floor_ns);
  add(std::move(slope));
}

std::optional<double> instructions(const std::string& case_name, long runs) {
  std::array<char, 4096> self{};
  const auto length = ::readlink("/proc/self/exe", self.data(), self.size() - 1);
  if (length <= 0) return std::nullopt;
  const auto quoted = [](const std::string& text) {
    std::string out = "'";
    for (const char ch : text) out += ch == '\'' ? std::string("'\\''") : std::string(1, ch);
    return out + "'";
  };
  const auto collect = [&](long n) -> std::optional<double> {
    const std::string command = "valgrind --tool=callgrind --callgrind-out-file=/dev/null " +
                                quoted(std::string(self.data(), static_cast<std::size_t>(length))) + " --ir " +
                                quoted(case_name) + " " + std::to_string(n) + " 2>&1";
    std::FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return std::nullopt;
    std::optional<double> found;
    std::array<char, 512> line{};
    while (std::fgets(line.data(), static_cast<int>(line.size()), pipe) != nullptr) {
      const std::string_view text(line.data());
      const std::string_view key = "Collected : ";
      if (const auto at = text.find(key); at != std::string_view::npos)
        found = std::strtod(text.data() + at + key.size(), nullptr);
    }
    return ::pclose(pipe) == 0 ? found : std::nullopt;
  };
  const auto once = collect(runs);
  const auto twice = once ? collect(2 * runs) : std::nullopt;
  if (!twice) return std::nullopt;
  return (*twice - *once) / static_cast<double>(runs);
}

}  // namespace bench

// SPDX-License-Identifier: MIT
// The harness: what a workload is, how it is measured, and what is reported.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// What the calling thread has asked of the heap since it began.
struct HeapCount {
  std::uint64_t calls = 0;
  std::uint64_t bytes = 0;
};
HeapCount heap_count() noexcept;
/// Whether calls are counted at all: not under a sanitizer, which has a heap of its own.
bool heap_is_counted() noexcept;
/// From now on follows the bytes that the calling thread holds; costs time, so only where they are asked for.
void track_live_bytes(bool on) noexcept;
std::int64_t live_bytes() noexcept;
/// Gives what the heap does not need back to the system, and begins a new peak; gives the resident set in bytes.
std::int64_t fresh_resident_bytes();
/// The largest resident set since then.
std::int64_t peak_resident_bytes();

/// What a workload may cost at most (the second ratio: at least); unset where no target stands.
struct Target {
  std::optional<double> ns = {}, ir = {}, mallocs = {}, bytes = {}, ratio = {}, ratio_at_least = {};
};

/// One line of the report; what was not measured is unset.
struct Row {
  std::string workload, variant = {}, unit = {};
  std::optional<double> ns = {}, min_ns = {}, ir = {}, mallocs = {}, bytes = {}, ratio = {}, floor_ns = {};
  Target target = {};
  Target allowed = {};  ///< What --check lets pass instead, where a target is not met; docs/performance.md says why.

  std::string name() const { return variant.empty() ? workload : workload + " " + variant; }
};

/// Something to be run many times.
struct Case {
  std::string workload, variant = {};
  std::string unit = "run";
  std::function<void(long)> run;  ///< Runs it n times and verifies what comes out.
  Target target = {};
  Target allowed = {};
  std::function<void(long)> floor = {};  ///< The same work done n times by the bare parts, if there is such a thing.
  double units = 1;                      ///< How many units one run is, as in "per chunk".
  bool count_instructions = false;

  std::string name() const { return variant.empty() ? workload : workload + " " + variant; }
};

struct Options {
  bool quick = false;
  bool check = false;
  bool list = false;
  bool callgrind = true;
  std::string filter;
  std::string json_file;
  std::string ir_name;  ///< Runs only this, `ir_runs` times, and reports nothing: what callgrind measures.
  long ir_runs = 0;
};

/// Collects the rows of one run of the program.
class Session {
 public:
  explicit Session(Options options) : options_(std::move(options)) {}

  const Options& options() const noexcept { return options_; }
  bool quick() const noexcept { return options_.quick; }

  /// Measures, and reports a row; nothing when the case is not among those asked for.
  std::optional<Row> measure(const Case& c);
  /// Whether rows of this name are asked for: for what is not a Case. Under `--list` prints the name.
  bool wants(std::string_view name);
  /// Whether measure() would do anything for this name: if not, its graph need not be built.
  bool considers(std::string_view name) const noexcept;
  void add(Row row);
  /// The cost of one more unit, from a small and a large size of the same workload.
  void add_slope(Row slope, const std::optional<Row>& small, double small_size, const std::optional<Row>& large,
                 double large_size);

  const std::vector<Row>& rows() const noexcept { return rows_; }

 private:
  Options options_;
  std::vector<Row> rows_;
};

/// The time of one call in ns, per `runs`.
double time_of(const std::function<void(long)>& fn, long runs);
double median(std::vector<double> samples);

/// Throws when a workload did not yield what it must: then its times mean nothing.
void verify(bool ok, std::string_view what);

/// Keeps the compiler from leaving out the computation of a value.
template <class T>
void keep(const T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

/// Instructions per run of a case, counted by valgrind's callgrind in a process of its own; nothing without valgrind.
std::optional<double> instructions(const std::string& case_name, long runs);

// report.cpp
std::string table(const std::vector<Row>& rows);
std::string json(const std::vector<Row>& rows);
std::string to_string(const Target& target);
/// Whether all that was measured keeps within the target; nothing without a target or measurement.
std::optional<bool> met(const Row& row);
/// What --check finds wrong: counters past their targets, and counters that could not be had.
std::vector<std::string> missed_counters(const std::vector<Row>& rows);

}  // namespace bench

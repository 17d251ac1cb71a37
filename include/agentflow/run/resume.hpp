// SPDX-License-Identifier: MIT
// Resume: the input that goes on with a stored run instead of beginning one.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/core/json_value.hpp>
#include <agentflow/graph/interrupt.hpp>

namespace agentflow {

/// Goes on with the stored run of a thread: after a crash, a failure or a stop where it was, and after an interrupt
/// with the answers. Takes the place of the input in `ainvoke`, `invoke`, `astream`, `stream` and `start`.
///
/// ```cpp
/// auto result = co_await app.ainvoke(af::Resume(true), config);            // answers the only open question
/// auto answers = af::Resume().answer(first.id, "yes").answer(second.id, 42);
/// ```
/// A node that asked runs again from its beginning, and its `interrupt` returns the answer. Questions that get no
/// answer stay open, and their nodes do not run. On a finished thread a Resume without answers gives the final state,
/// and runs nothing.
///
/// **Errors** of the run: `resume_error` with `errc::interrupt_unknown` for an answer to a question that is not open or
/// answered already, for `Resume(value)` when not exactly one is; `errc::graph_changed`; `storage_error` with
/// `errc::checkpoint_missing` when the thread has no checkpoint. Nothing is changed then.
class AGENTFLOW_API Resume {
 public:
  // Defined in the library, which spares every program the compilation of what is in here.
  Resume();
  Resume(const Resume&);
  Resume(Resume&&) noexcept;
  Resume& operator=(const Resume&);
  Resume& operator=(Resume&&) noexcept;
  ~Resume();
  /// Answers the only open question. Takes whatever has a JSON mapping, text and `JsonValue`.
  template <class T>
    requires(!std::same_as<std::remove_cvref_t<T>, Resume>)
  explicit Resume(const T& value) : value_(detail::json_of(value)) {}

  /// Answers the question with this id.
  template <class T>
  Resume& answer(std::string id, const T& value) & {
    answers_.emplace_back(std::move(id), detail::json_of(value));
    return *this;
  }
  template <class T>
  Resume&& answer(std::string id, const T& value) && {
    return std::move(answer(std::move(id), value));
  }

  const std::optional<JsonValue>& value() const noexcept { return value_; }
  const std::vector<std::pair<std::string, JsonValue>>& answers() const noexcept { return answers_; }

 private:
  std::optional<JsonValue> value_;
  std::vector<std::pair<std::string, JsonValue>> answers_;
};
static_assert(!std::is_aggregate_v<Resume>);

}  // namespace agentflow

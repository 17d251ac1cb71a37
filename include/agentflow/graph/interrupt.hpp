// SPDX-License-Identifier: MIT
// Interrupt: a question that a run has put to a human, or a place where it was told to wait for one.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include <agentflow/core/config.hpp>
#include <agentflow/core/json_codec.hpp>
#include <agentflow/core/json_value.hpp>

namespace agentflow {

/// Where a run waits.
enum class interrupt_kind {
  inside,  ///< In a node that called `NodeContext::interrupt`: it needs an answer.
  before,  ///< Before a node of `interrupt_before`: any `Resume` goes on.
  after,   ///< After a node of `interrupt_after`: any `Resume` goes on.
};
AGENTFLOW_API std::string_view to_string(interrupt_kind kind) noexcept;

/// One open interrupt of a thread, as `RunResult::interrupts` and `StateSnapshot::interrupts` list them.
class Interrupt {
 public:
  Interrupt() = default;
  std::string id;    ///< What `Resume::answer` takes: the same whenever the node asks again.
  std::string node;  ///< The node's name.
  std::string path;  ///< The subgraphs it is in, as "outer/inner"; empty in the graph that was run.
  interrupt_kind kind = interrupt_kind::inside;
  JsonValue payload;  ///< What the node asks; null for `before` and `after`.
};
static_assert(!std::is_aggregate_v<Interrupt>);

namespace detail {
/// A value as JSON, text included.
template <class T>
JsonValue json_of(const T& value) {
  if constexpr (std::is_same_v<T, JsonValue>)
    return value;
  else if constexpr (std::is_convertible_v<const T&, std::string_view>)
    return to_json_value(std::string(std::string_view(value)));
  else
    return to_json_value(value);
}
}  // namespace detail

}  // namespace agentflow

// SPDX-License-Identifier: MIT
// structured_agent: an agent whose answer is a value of a C++ type.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <agentflow/core/json_schema.hpp>
#include <agentflow/prebuilt/agent.hpp>
#include <agentflow/state/schema_of.hpp>

namespace agentflow {

/// The state of a `structured_agent`: the conversation, and the answer once there is one. T needs `==`, as every value
/// in a state.
template <class T>
struct Structured {
  List<Message> messages;
  std::optional<T> answer;
};

namespace detail {
template <class S>
inline constexpr bool is_structured = false;
template <class T>
inline constexpr bool is_structured<Structured<T>> = true;
}  // namespace detail

// What AGENTFLOW_STATE would write, were it not a template.
template <class T>
constexpr auto agentflow_describe(const Structured<T>*) {
  return std::tuple{Field<&Structured<T>::messages, add_messages>{"messages"},
                    Field<&Structured<T>::answer, last_value>{"answer"}};
}
template <class S>
  requires(detail::is_structured<S> && detail::described_writable<S>())
void agentflow_write_json(JsonWriter& out, const S& value) {
  detail::write_described(out, value);
}
template <class S>
  requires(detail::is_structured<S> && detail::described_readable<S>())
void agentflow_read_json(const JsonReader& in, S& value) {
  detail::read_described(in, value);
}

namespace detail {
/// The JSON in an answer. **Errors** `error` (output_invalid) that says what is wrong with "it".
AGENTFLOW_API JsonValue output_of(const std::string& text, const JsonSchema& schema);
/// Asks the model for a better answer.
AGENTFLOW_API Message mend_request(const error& fault);
/// How often it was asked for one in this turn.
AGENTFLOW_API int mend_requests(const List<Message>& conversation);
[[noreturn]] AGENTFLOW_API void throw_given_up(int attempts, const error& fault);

/// Takes the answer, or asks for another one.
template <class T>
Command<Structured<T>> take_answer(const Structured<T>& s, const JsonSchema& schema, int max_attempts) {
  Command<Structured<T>> next;
  try {
    const JsonValue value = output_of(s.messages.back().text(), schema);
    next.update(
        Update<Structured<T>>().template write<&Structured<T>::answer>(std::optional<T>(from_json_value<T>(value))));
    next.go_to(END);
  } catch (const error& fault) {
    if (mend_requests(s.messages) + 1 >= max_attempts) throw_given_up(max_attempts, fault);
    next.update(Update<Structured<T>>().template write<&Structured<T>::messages>(mend_request(fault)));
    next.go_to("agent");
  }
  return next;
}
}  // namespace detail

/// Builds an agent whose answer is a `T`, a struct described by AGENTFLOW_PARAMS or AGENTFLOW_STATE: the model is given
/// its schema, and what it answers is checked and decoded. An answer that does not fit goes back to the model with what
/// is wrong, up to `max_attempts` times. With tools it may call them first. The nodes are "agent", "tools", "check".
///
/// ```cpp
/// auto app = af::structured_agent<Invoice>(model).compile();
/// Invoice invoice = *app.invoke("Two chairs, 120 euro each")->answer;
/// ```
/// **Errors** as `react_agent`. In a run: `error` (output_invalid), as the cause of a `node_error`, after
/// `max_attempts` answers that do not fit.
template <class T>
StateGraph<Structured<T>> structured_agent(std::shared_ptr<ChatModel> model, ToolSet tools = {},
                                           AgentOptions options = {}, int max_attempts = 3) {
  using S = Structured<T>;
  const JsonValue strict = schema_of<T>(SchemaStyle::strict);
  // Judged by the plain schema: a provider that knows no strict mode may leave optional fields out.
  const JsonSchema schema(schema_of<T>());
  AgentOptions::Request also = options.request();
  options.request([strict, also = std::move(also)](ChatRequest& request) {
    request.output = OutputSchema(strict);
    if (also) also(request);
  });
  StateGraph<S> graph = react_agent<S>(std::move(model), std::move(tools), std::move(options), "check");
  graph.add_node(
      "check", [schema, max_attempts](const S& s) { return detail::take_answer<T>(s, schema, max_attempts); },
      NodeOptions().destinations({"agent", "END"}));
  return graph;
}

}  // namespace agentflow

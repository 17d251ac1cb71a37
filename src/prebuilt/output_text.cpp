// SPDX-License-Identifier: MIT
// The JSON in what a model wrote, and whether it is what was asked for.
#include "prebuilt/output_text.hpp"

#include <exception>
#include <string>

#include <fmt/format.h>

#include <agentflow/core/json.hpp>
#include <agentflow/prebuilt/structured_output.hpp>

namespace agentflow::detail {

// Tells a request to mend an answer from what the user said.
constexpr const char* mend_mark = "mend";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string_view json_part(std::string_view text) {
  text = trimmed(text);
  if (!text.starts_with("```") || !text.ends_with("```") || text.size() < 6) return text;
  text.remove_suffix(3);
  const auto line = text.find('\n');
  return line == std::string_view::npos ? text : trimmed(text.substr(line));
}

JsonValue output_of(const std::string& text, const JsonSchema& schema) {
  JsonValue value;
  try {
    value = schema.without_idle_nulls(JsonValue::parse(json_part(text)));
  } catch (const json_error& e) {
    throw error(errc::output_invalid, "it is not JSON: " + e.message());
  }
  if (const auto issues = schema.issues(value); !issues.empty())
    throw error(errc::output_invalid, "it does not fit the schema:\n" + to_string(issues));
  return value;
}

Message mend_request(const error& fault) {
  return Message::user(fmt::format("Your answer cannot be used: {}\nAnswer again, with nothing but the corrected JSON.",
                                   fault.message()))
      .with_metadata(JsonValue(nlohmann::json{{mend_mark, true}}));
}

int mend_requests(const List<Message>& conversation) {
  int count = 0;
  for (std::size_t i = conversation.size(); i-- > 0;) {
    if (conversation[i].role() != Role::user) continue;
    const auto& metadata = conversation[i].metadata().get();
    if (!metadata.is_object() || !metadata.contains(mend_mark)) break;
    ++count;
  }
  return count;
}

void throw_given_up(int attempts, const error& fault) {
  throw error(errc::output_invalid,
              fmt::format("the model was asked {} times and did not give the output that was asked for; the last time "
                          "{}",
                          attempts, fault.message()));
}

}  // namespace agentflow::detail

// SPDX-License-Identifier: MIT
// JSON Schema: any schema and any value, a line each, come to an end; what is said of a value is the same every time,
// and points into it.
#include <agentflow/core/json_schema.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <agentflow/core/json.hpp>

namespace af = agentflow;

namespace {

/// Whether all but the last name of a pointer leads somewhere: the last may be what is missing.
bool leads_somewhere(const nlohmann::json& value, const std::string& pointer) {
  const auto parent = pointer.substr(0, pointer.rfind('/') == std::string::npos ? 0 : pointer.rfind('/'));
  return value.contains(nlohmann::json::json_pointer(parent));
}

void judge(const af::JsonSchema& schema, const af::JsonValue& value) {
  const auto issues = schema.issues(value);
  if (issues != schema.issues(value) || schema.accepts(value) != issues.empty()) std::abort();
  if (issues.size() > af::JsonSchema::max_issues) std::abort();
  for (const auto& issue : issues)
    if (!leads_somewhere(value.get(), issue.instance) || issue.message.size() > 4'000) std::abort();
  static_cast<void>(schema.issues(schema.without_idle_nulls(value)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');
  const std::string_view first = text.substr(0, line);
  const std::string_view second = line == std::string_view::npos ? std::string_view() : text.substr(line + 1);
  af::JsonValue value;
  try {
    value = af::JsonValue::parse(second);
  } catch (const af::json_error&) {
  }
  try {
    judge(af::JsonSchema(af::JsonValue::parse(first)), value);
  } catch (const af::json_error&) {
  } catch (const af::schema_error&) {
  }
  // The same bytes as a pattern.
  try {
    nlohmann::json schema = nlohmann::json::object();
    schema["pattern"] = std::string(first);
    judge(af::JsonSchema(af::JsonValue(std::move(schema))), af::JsonValue(nlohmann::json(std::string(second))));
  } catch (const af::json_error&) {
  } catch (const af::schema_error&) {
  }
  return 0;
}

// SPDX-License-Identifier: MIT
// Tool arguments: whatever a model writes, there is one result for its call: what the tool made of it, or what is
// wrong.
#include <agentflow/prebuilt/tool_node.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <agentflow/typed/tool.hpp>

namespace af = agentflow;

enum class Unit { celsius, fahrenheit };
AGENTFLOW_ENUM(Unit, celsius, fahrenheit)

struct Place {
  double latitude = 0, longitude = 0;
};
AGENTFLOW_PARAMS(Place, latitude, longitude)

struct Weather {
  std::variant<std::string, Place, std::monostate> where;
  std::optional<std::int32_t> days;
  Unit unit = Unit::celsius;
  std::vector<Place> path;
  std::map<std::string, std::uint8_t> weights;
};
AGENTFLOW_PARAMS(Weather, (where, "A city, or a place"), days, unit, path, weights)

namespace {

const af::CompiledGraph<af::ToolTurn>& graph() {
  static const af::ToolNode node({af::tool("weather", "", [](const Weather& w) { return w; })});
  return node.graph();
}

af::Message only_result(const af::JsonValue& arguments, const std::string& name) {
  af::ToolTurn turn;
  std::vector<af::ContentBlock> blocks;
  blocks.emplace_back(af::ToolCallBlock("id", name, arguments));
  turn.request = af::Message(af::Role::assistant, std::move(blocks));
  const auto result = graph().invoke(std::move(turn));
  if (result->results.size() != 1) std::abort();
  return result->results.begin()->second;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  af::JsonValue arguments;
  try {
    arguments = af::JsonValue::parse(text);
  } catch (const af::json_error&) {
    try {
      arguments = af::to_json_value(text);  // as the assembler of streams does
    } catch (const af::json_error&) {
      return 0;  // not even text
    }
  }
  const af::Message message = only_result(arguments, "weather");
  const auto* result = message.content().front().get_if<af::ToolResultBlock>();
  if (result == nullptr || result->call_id != "id" || result->text.size() > 9'000) std::abort();
  // What was decoded is what was given, as far as the tool can tell.
  if (!result->is_error &&
      only_result(result->data, "weather").content().front().get_if<af::ToolResultBlock>()->data != result->data)
    std::abort();
  if (!only_result(arguments, text.substr(0, 64)).content().front().get_if<af::ToolResultBlock>()->is_error &&
      text != "weather")
    std::abort();
  static_cast<void>(af::to_json_text(message));
  return 0;
}

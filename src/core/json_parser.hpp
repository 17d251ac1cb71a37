// SPDX-License-Identifier: MIT
// JsonParser: JSON text to nodes, strictly.
#pragma once

#include <array>
#include <cstddef>
#include <memory_resource>
#include <string>
#include <string_view>
#include <vector>

#include <agentflow/core/error.hpp>
#include <agentflow/core/json_value.hpp>

#include "core/json_document.hpp"

namespace agentflow::detail {

/// Parses one text. The nodes and the strings go to the arena, the text with them: strings stay where they stand in it,
/// and those with escapes become shorter there. Never recurses.
class JsonParser {
 public:
  JsonParser(std::string_view text, std::pmr::memory_resource& arena);
  JsonNode parse();

  /// What a usual text of this length takes in the arena.
  static std::size_t expected_bytes(std::size_t text) noexcept { return 2 * text + 64; }

 private:
  struct Frame {
    std::size_t first;  // where on the stack its elements, or keys and values in turn, begin
    bool object;
  };

  void skip_space() noexcept;
  void value();
  void key();
  void open(bool object);
  void close();
  void close_object(JsonNode& object, std::size_t first);
  void literal(std::string_view word, JsonNode node);
  JsonNode number();
  JsonNode real(const char* begin) const;
  void digits();
  JsonNode string();
  void unescape(char*& to);
  unsigned hex();

  [[noreturn]] void fail(errc code, const std::string& message, const char* where) const;
  [[noreturn]] void expected(const char* what) const;

  std::pmr::memory_resource& arena_;
  char* begin_ = nullptr;  // the copy of the text, with zeros behind it
  char* end_ = nullptr;
  char* at_ = nullptr;
  std::vector<JsonNode> stack_;  // what is complete, of all that is open
  std::array<Frame, max_json_depth> frames_;
  std::size_t depth_ = 0;
};

}  // namespace agentflow::detail

// SPDX-License-Identifier: MIT
// ContentBlock: a part of a message: text, an image, a tool call and so on.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <agentflow/core/config.hpp>
#include <agentflow/core/json_value.hpp>

namespace agentflow {

class JsonReader;
class JsonWriter;

// None of these types may be an aggregate: g++ 12 destroys aggregate temporaries twice in an expression with co_await.

/// Plain text.
class TextBlock {
 public:
  explicit TextBlock(std::string t = {}) : text(std::move(t)) {}
  std::string text;
  bool operator==(const TextBlock&) const = default;
};

/// Where the bytes of an image, a sound or a document are: at a URL, or here, in base64.
class MediaSource {
 public:
  MediaSource() = default;
  static MediaSource from_url(std::string url, std::string media_type = {}) {
    return MediaSource(true, std::move(url), std::move(media_type));
  }
  static MediaSource from_base64(std::string data, std::string media_type) {
    return MediaSource(false, std::move(data), std::move(media_type));
  }

  bool is_url() const noexcept { return is_url_; }
  /// The URL or the base64 text, as `is_url()` says.
  const std::string& value() const noexcept { return value_; }
  /// Such as "image/png"; may be empty for a URL.
  const std::string& media_type() const noexcept { return media_type_; }
  bool operator==(const MediaSource&) const = default;

 private:
  MediaSource(bool is_url, std::string value, std::string media_type)
      : value_(std::move(value)), media_type_(std::move(media_type)), is_url_(is_url) {}
  std::string value_, media_type_;
  bool is_url_ = true;
};

class ImageBlock {
 public:
  ImageBlock() = default;
  explicit ImageBlock(MediaSource s) : source(std::move(s)) {}
  MediaSource source;
  bool operator==(const ImageBlock&) const = default;
};

class AudioBlock {
 public:
  AudioBlock() = default;
  explicit AudioBlock(MediaSource s) : source(std::move(s)) {}
  MediaSource source;
  bool operator==(const AudioBlock&) const = default;
};

class DocumentBlock {
 public:
  DocumentBlock() = default;
  explicit DocumentBlock(MediaSource s, std::string t = {}) : source(std::move(s)), title(std::move(t)) {}
  MediaSource source;
  std::string title;
  bool operator==(const DocumentBlock&) const = default;
};

/// Any JSON: structured output, or what an application passes along.
class DataBlock {
 public:
  DataBlock() = default;
  explicit DataBlock(JsonValue d) : data(std::move(d)) {}
  JsonValue data;
  bool operator==(const DataBlock&) const = default;
};

/// A model asks for a tool.
class ToolCallBlock {
 public:
  ToolCallBlock() = default;
  ToolCallBlock(std::string i, std::string n, JsonValue a = {})
      : id(std::move(i)), name(std::move(n)), arguments(std::move(a)) {}
  std::string id, name;
  JsonValue arguments;
  bool operator==(const ToolCallBlock&) const = default;
};

/// A tool answers: with text, with JSON, or with both.
class ToolResultBlock {
 public:
  ToolResultBlock() = default;
  ToolResultBlock(std::string id, std::string t) : call_id(std::move(id)), text(std::move(t)) {}
  ToolResultBlock(std::string id, JsonValue d) : call_id(std::move(id)), data(std::move(d)) {}
  /// Says that the tool failed, and that the text tells how.
  ToolResultBlock with_error(bool v = true) && {
    is_error = v;
    return std::move(*this);
  }
  std::string call_id, text;
  JsonValue data;  ///< Null when there is none.
  bool is_error = false;
  bool operator==(const ToolResultBlock&) const = default;
};

/// What a model thought. The signature is the provider's, to be given back unchanged.
class ReasoningBlock {
 public:
  explicit ReasoningBlock(std::string t = {}, std::string s = {}) : text(std::move(t)), signature(std::move(s)) {}
  std::string text, signature;
  bool operator==(const ReasoningBlock&) const = default;
};

/// A part that could not be made.
class ErrorBlock {
 public:
  ErrorBlock() = default;
  ErrorBlock(std::string c, std::string m) : code(std::move(c)), message(std::move(m)) {}
  std::string code, message;
  bool operator==(const ErrorBlock&) const = default;
};

static_assert(!std::is_aggregate_v<TextBlock> && !std::is_aggregate_v<MediaSource> &&
              !std::is_aggregate_v<ImageBlock> && !std::is_aggregate_v<AudioBlock> &&
              !std::is_aggregate_v<DocumentBlock> && !std::is_aggregate_v<DataBlock> &&
              !std::is_aggregate_v<ToolCallBlock> && !std::is_aggregate_v<ToolResultBlock> &&
              !std::is_aggregate_v<ReasoningBlock> && !std::is_aggregate_v<ErrorBlock>);

namespace detail {
template <class T, class Variant>
inline constexpr bool is_alternative = false;
template <class T, class... A>
inline constexpr bool is_alternative<T, std::variant<A...>> = (std::is_same_v<T, A> || ...);
}  // namespace detail

/// One part of a message: exactly one of the blocks above.
///
/// ```cpp
/// for (const af::ContentBlock& block : message.content())
///   if (const auto* image = block.get_if<af::ImageBlock>()) show(image->source);
/// ```
class ContentBlock {
 public:
  using Variant = std::variant<TextBlock, ImageBlock, AudioBlock, DocumentBlock, DataBlock, ToolCallBlock,
                               ToolResultBlock, ReasoningBlock, ErrorBlock>;

  /// Makes an empty text.
  ContentBlock() = default;
  /// Takes any of the blocks.
  template <class T>
    requires detail::is_alternative<T, Variant>
  ContentBlock(T block) : value_(std::in_place_type<T>, std::move(block)) {}

  /// The name of the block in JSON, such as "text" or "tool_call".
  AGENTFLOW_API std::string_view type() const noexcept;
  template <class T>
  const T* get_if() const noexcept {
    return std::get_if<T>(&value_);
  }
  /// For `std::visit`.
  const Variant& value() const noexcept { return value_; }

  bool operator==(const ContentBlock&) const = default;

 private:
  Variant value_;
};
static_assert(!std::is_aggregate_v<ContentBlock>);

/// The JSON of a block is an object with "type" and the fields of the block; empty optional fields are left out. An
/// unknown type, or a member too many or too few, is a `json_error`.
AGENTFLOW_API void agentflow_write_json(JsonWriter& out, const ContentBlock& block);
AGENTFLOW_API void agentflow_read_json(const JsonReader& in, ContentBlock& block);
/// Gives the block on one line, for people: text as it is, others as in `[tool_call weather {"city":"Rome"}]`.
AGENTFLOW_API std::string to_string(const ContentBlock& block);
AGENTFLOW_API std::ostream& operator<<(std::ostream& out, const ContentBlock& block);

}  // namespace agentflow

// SPDX-License-Identifier: MIT
// UTF-8, and text made safe for a terminal or a JSON document. Pure functions; safe to call from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace digest {

/// One decoded character.
struct Decoded {
  char32_t code = 0xFFFD;  ///< U+FFFD if invalid.
  std::uint8_t size = 1;   ///< Bytes to step over; 1 if invalid.
  bool valid = false;
};

/// Decodes the character at `at`, which must be less than `text.size()`. Strict: no overlong forms, no surrogates.
Decoded decode_utf8(std::string_view text, std::size_t at) noexcept;

/// Appends `code`, a valid scalar value, as UTF-8.
void append_utf8(std::string& out, char32_t code);

/// What does not look like text in a piece of text.
struct Oddities {
  std::uint64_t invalid = 0;  ///< Bytes that are not UTF-8.
  std::uint64_t control = 0;  ///< Control characters other than white space, backspace and escape.
};
Oddities count_oddities(std::string_view text) noexcept;

/// Counts characters; an invalid byte is one.
std::size_t count_characters(std::string_view text) noexcept;

/// Shortens to at most `characters` characters and replaces each invalid byte by U+FFFD.
std::string valid_utf8(std::string_view text, std::size_t characters);

/// Makes any bytes harmless and unambiguous on a terminal: one line, printable characters as they are, `\n`, `\t`,
/// `\r` and `\\` so, `\xNN` for other controls and invalid bytes, `\u{NNNN}` for what would be invisible or reorder
/// the line.
std::string escape_terminal(std::string_view text);

/// Counts terminal columns of text that has been through `escape_terminal`. Never too small for common characters.
std::size_t display_width(std::string_view escaped) noexcept;

/// Which end of a text may be lost.
enum class Keep : std::uint8_t { head, tail };
/// Cuts escaped text to at most `columns` columns, with "..." where something was lost.
std::string fit(std::string_view escaped, std::size_t columns, Keep keep = Keep::head);
/// Cuts or fills with spaces to exactly `columns` columns.
std::string fit_exactly(std::string_view escaped, std::size_t columns, Keep keep = Keep::head);

/// Gives a JSON string with its quotes. Invalid bytes become U+FFFD, so the document is always valid UTF-8.
std::string json_string(std::string_view text);

/// "34,567".
std::string with_commas(std::uint64_t number);
/// "1 file", "34,567 files".
std::string counted(std::uint64_t number, std::string_view noun);
/// "812 B", "1.2 KiB", "3.4 MiB".
std::string human_bytes(std::uint64_t bytes);

}  // namespace digest

// SPDX-License-Identifier: MIT
// The text side of JSON: UTF-8, escaping, paths.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <agentflow/core/error.hpp>

namespace agentflow::detail {

inline constexpr std::size_t all_valid = std::string_view::npos;

/// Gives where the first byte stands that is not UTF-8 (no surrogates, no overlong forms), or `all_valid`. Exported,
/// for the components.
AGENTFLOW_API std::size_t find_invalid_utf8(std::string_view text) noexcept;

/// Appends `text` as a JSON string with its quotes. Gives the offset of the first byte that is not UTF-8, having
/// appended only what was before it, or `all_valid`.
std::size_t append_json_string(std::string& out, std::string_view text);

/// Gives the first byte from `p` on that ends a JSON string or is not plain in one: a quote, a backslash, a control
/// character. Eight bytes behind it must be readable, and one that ends the search must come.
const char* find_string_end(const char* p) noexcept;

/// Appends a member to a path: `.name`, or `["odd name"]`. Long names are cut, so that errors stay short.
void append_path_member(std::string& path, std::string_view name);
void append_path_index(std::string& path, std::size_t index);

/// A name as it may stand in an error message: quoted, escaped, cut when long.
std::string quoted(std::string_view name);

/// Throws a `json_error` whose `context().field()` is the path.
[[noreturn]] void throw_json_error(errc code, std::string message, std::string path);

}  // namespace agentflow::detail

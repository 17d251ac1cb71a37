// SPDX-License-Identifier: MIT
// std::variant and JSON: one of several types, told apart by what fits.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <agentflow/core/json_codec.hpp>

namespace agentflow {

template <>
struct JsonCodec<std::monostate> {
  static void write(JsonWriter& out, const std::monostate&) { out.null(); }
  static void read(const JsonReader& in, std::monostate&) {
    if (!in.is_null()) in.fail(errc::json_type, "expected null");
  }
};

/// A variant is written as the value it holds, without a tag. Read, it becomes the first alternative that the JSON can
/// be read as: put the narrower types first (int before double, a struct with more required fields before one with
/// fewer).
///
/// **Errors** `json_error` (json_type) with what each alternative said.
template <class... T>
  requires(sizeof...(T) > 0)
struct JsonCodec<std::variant<T...>> {
  static void write(JsonWriter& out, const std::variant<T...>& value)
    requires(JsonWritable<T> && ...)
  {
    std::visit([&out]<class A>(const A& held) { agentflow::write_json<A>(out, held); }, value);
  }
  static void read(const JsonReader& in, std::variant<T...>& value)
    requires(JsonReadable<T> && ...)
  {
    std::string reasons;
    if ((try_one<T>(in, value, reasons) || ...)) return;
    in.fail(errc::json_type, "fits none of the alternatives: " + reasons);
  }

 private:
  template <class A>
  static bool try_one(const JsonReader& in, std::variant<T...>& value, std::string& reasons) {
    try {
      A fresh{};
      agentflow::read_json(in, fresh);
      value = std::move(fresh);
      return true;
    } catch (const json_error& e) {
      reasons += (reasons.empty() ? "" : "; ") + e.message();
      return false;
    }
  }
};

}  // namespace agentflow

// SPDX-License-Identifier: MIT
// PromptTemplate: a text with fields of the state in it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/core/json_codec.hpp>
#include <agentflow/state/describe.hpp>

namespace agentflow {

/// A text with names of fields in braces: "You help {customer}. Today is {date}." Double braces stand for single ones.
/// A field that is text is put in as it is, others as JSON. What is put in is never looked at again, so braces in a
/// value do no harm.
///
/// **Errors** `error` (prompt_invalid) for a brace that is not part of a name, when it is made; for a name that the
/// state does not have, when it is rendered or checked.
/// **Thread safety** Distinct objects: safe. Shared objects: safe (immutable).
class AGENTFLOW_API PromptTemplate {
 public:
  /// Gives the text of a field, or nothing if there is no such field.
  using Lookup = std::function<std::optional<std::string>(std::string_view field)>;

  PromptTemplate() = default;
  PromptTemplate(std::string text);
  PromptTemplate(const char* text) : PromptTemplate(std::string(text)) {}

  bool empty() const noexcept { return parts_.empty(); }
  std::string fill(const Lookup& lookup) const;

  template <Described S>
  std::string render(const S& state) const {
    return fill([&state](std::string_view name) { return field_text(state, name); });
  }
  /// Checks that a state has all the fields that are named.
  template <Described S>
  void check() const {
    fill([](std::string_view name) {
      std::optional<std::string> found;
      detail::for_each_field<S>([&](const auto& f) {
        if (f.name == name) found.emplace();
      });
      return found;
    });
  }

 private:
  struct Part {
    std::string text;
    bool is_field;
  };

  template <class S>
  static std::optional<std::string> field_text(const S& state, std::string_view name) {
    std::optional<std::string> text;
    detail::for_each_field<S>([&]<class F>(const F& f) {
      if (f.name != name) return;
      if constexpr (std::is_convertible_v<const typename F::value_type&, std::string_view>) {
        text = std::string(std::string_view(state.*(f.member)));
      } else {
        static_assert(JsonWritable<typename F::value_type>,
                      "agentflow: a prompt shows fields as JSON, and a field of this state has no JSON mapping");
        text = to_json_text(state.*(f.member));
      }
    });
    return text;
  }

  std::vector<Part> parts_;
};
static_assert(!std::is_aggregate_v<PromptTemplate>);

}  // namespace agentflow

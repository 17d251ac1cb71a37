// SPDX-License-Identifier: MIT
// JsonSchema: checks JSON values against a JSON Schema, and says what is wrong so that a model can mend it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/core/json_value.hpp>

namespace agentflow {

/// One thing that is wrong with a value.
class SchemaIssue {
 public:
  SchemaIssue(std::string i, std::string k, std::string m)
      : instance(std::move(i)), keyword(std::move(k)), message(std::move(m)) {}
  std::string instance;  ///< Where in the value: a JSON pointer such as "/days/0"; empty for the whole value.
  std::string keyword;   ///< The keyword of the schema that is not met, such as "maximum".
  std::string message;   ///< What is wrong, such as "must be at most 14, and is 20".
  bool operator==(const SchemaIssue&) const = default;
};

/// Gives the issues one per line: "/days: must be at most 14, and is 20".
AGENTFLOW_API std::string to_string(const std::vector<SchemaIssue>& issues);

/// A schema is wrong (schema_invalid, schema_unsupported), or a value does not fit (schema_mismatch, with `issues()`).
class AGENTFLOW_VISIBLE schema_error : public error {
 public:
  schema_error(errc code, std::string message, std::vector<SchemaIssue> issues = {});
  ~schema_error() override;
  const std::vector<SchemaIssue>& issues() const noexcept { return *issues_; }

 private:
  std::shared_ptr<const std::vector<SchemaIssue>> issues_;
};

/// A JSON Schema (draft 7, and `prefixItems`, `$defs`, `dependentRequired` and `dependentSchemas` of 2020-12), checked
/// once and ready to judge values.
///
/// Supported are type, enum, const; multipleOf, minimum, maximum, exclusiveMinimum, exclusiveMaximum; minLength,
/// maxLength, pattern; items, prefixItems, additionalItems, minItems, maxItems, uniqueItems, contains; properties,
/// required, additionalProperties, patternProperties, propertyNames, minProperties, maxProperties, the dependencies;
/// allOf, anyOf, oneOf, not, if/then/else; and `$ref` to a JSON pointer in the same document ("#/$defs/x"), which as in
/// draft 7 takes the place of the keywords beside it, unless `$schema` names a later draft. "format" is given to a
/// function of yours, or ignored. Unknown keywords are ignored. Nothing is ever fetched.
///
/// Patterns are ECMA-262 without look-around, back-references and Unicode properties, and run in linear time.
///
/// **Errors** The constructor throws `schema_error`: schema_invalid (a keyword has a value it cannot have, or a limit
/// is passed), schema_unsupported (a reference out of the document or by name, a pattern that is not supported).
///
/// **Thread safety** Distinct objects: safe, also copies of one another. Shared objects: safe (immutable).
///
/// **Units/limits** A schema nests at most 64 deep and has at most 10,000 subschemas. A validation that takes more than
/// two million steps, or follows references deeper than 400, ends with an issue that says so. At most 16 issues are
/// listed.
class AGENTFLOW_API JsonSchema {
 public:
  /// Says whether a string is of a format, such as "date-time". Formats it does not know it should accept.
  using FormatCheck = std::function<bool(std::string_view format, std::string_view text)>;

  static constexpr int max_depth = 64;
  static constexpr std::size_t max_subschemas = 10'000;
  static constexpr std::size_t max_issues = 16;

  /// Makes the schema that everything fits.
  JsonSchema();
  explicit JsonSchema(JsonValue document, FormatCheck format = nullptr);

  /// What is wrong with a value; empty when it fits.
  std::vector<SchemaIssue> issues(const JsonValue& value) const;
  bool accepts(const JsonValue& value) const { return issues(value).empty(); }
  /// **Errors** `schema_error` (schema_mismatch) whose message lists what is wrong.
  void require(const JsonValue& value) const;

  /// Gives the value without the members that are null although their schema's "type" does not allow it and they are
  /// not required: models write null for what they want to leave out. Looks into properties, items and
  /// additionalProperties.
  JsonValue without_idle_nulls(const JsonValue& value) const;

  const JsonValue& document() const noexcept;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace agentflow

// SPDX-License-Identifier: MIT
// af::tool: makes a tool of any callable.
#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include <agentflow/core/json_codec.hpp>
#include <agentflow/ports/tool.hpp>
#include <agentflow/state/schema_of.hpp>
#include <agentflow/typed/detail/callable.hpp>

namespace agentflow {

namespace detail {

/// What a tool's callable takes: `Params` is void where it takes none.
template <class Arguments>
struct ToolParameters {
  static constexpr bool valid = false, context = false;
  using type = void;
};
template <>
struct ToolParameters<std::tuple<>> {
  static constexpr bool valid = true, context = false;
  using type = void;
};
template <>
struct ToolParameters<std::tuple<ToolContext&>> {
  static constexpr bool valid = true, context = true;
  using type = void;
};
template <class P>
struct ToolParameters<std::tuple<P>> {
  static constexpr bool valid = !std::is_lvalue_reference_v<P> || std::is_const_v<std::remove_reference_t<P>>;
  static constexpr bool context = false;
  using type = std::remove_cvref_t<P>;
};
template <class P>
struct ToolParameters<std::tuple<P, ToolContext&>> : ToolParameters<std::tuple<P>> {
  static constexpr bool context = true;
};

template <class F>
struct ToolSignature;
template <class F>
  requires PlainFunction<F>
struct ToolSignature<F> : Signature<std::decay_t<F>> {};
template <class F>
  requires OneCallOperator<F>
struct ToolSignature<F> : Signature<decltype(&F::operator())> {};

/// The arguments of a call are always an object.
template <class P>
inline constexpr bool is_tool_parameter =
    std::is_same_v<P, JsonValue> || Described<P> || HasSchemaFunction<P> || json_shape<P>() == JsonShape::map;
template <>
inline constexpr bool is_tool_parameter<void> = true;

template <class R>
inline constexpr bool is_tool_result =
    std::is_void_v<R> || std::is_same_v<R, ToolResult> || std::is_same_v<R, ContentBlock> ||
    std::is_same_v<R, std::vector<ContentBlock>> || std::is_convertible_v<R, std::string> ||
    std::is_convertible_v<R, std::string_view> || JsonWritable<R>;

template <class R>
ToolResult to_tool_result(R&& value) {
  using V = std::remove_cvref_t<R>;
  if constexpr (std::is_same_v<V, ToolResult>)
    return std::forward<R>(value);
  else if constexpr (std::is_same_v<V, std::vector<ContentBlock>>)
    return ToolResult::blocks(std::forward<R>(value));
  else if constexpr (std::is_same_v<V, ContentBlock>)
    return ToolResult::blocks(std::vector<ContentBlock>(1, std::forward<R>(value)));
  else if constexpr (std::is_convertible_v<V, std::string>)
    return ToolResult::text(std::forward<R>(value));
  else if constexpr (std::is_convertible_v<V, std::string_view>)
    return ToolResult::text(std::string(std::string_view(value)));
  else if constexpr (std::is_same_v<V, JsonValue>)
    return ToolResult::json(std::forward<R>(value));
  else
    return ToolResult::json(to_json_value<V>(value));
}

/// A tool made of a callable.
template <class F, bool IsBlocking>
class CallableTool final : public Tool {
  static_assert(PlainFunction<F> || OneCallOperator<F>,
                "agentflow: a tool is a function, lambda or functor with one call operator; write its parameter types "
                "out, not auto");
  using Sig = ToolSignature<F>;
  using Takes = ToolParameters<typename Sig::arguments>;
  using Params = typename Takes::type;
  static_assert(Takes::valid,
                "agentflow: a tool takes one struct described by AGENTFLOW_PARAMS, by value or const reference (or "
                "nothing), and optionally af::ToolContext& last: write std::string weather(Weather w, af::ToolContext& "
                "ctx)");
  using Result = typename AwaitableOf<std::remove_cvref_t<typename Sig::result>>::type;
  static constexpr bool is_async = AwaitableOf<std::remove_cvref_t<typename Sig::result>>::value;
  static_assert(is_tool_result<Result>,
                "agentflow: a tool returns text, anything with a JSON mapping, af::ContentBlock or a vector of them, "
                "af::ToolResult, or nothing; or an asio::awaitable of one of these");
  static_assert(!(IsBlocking && is_async), "agentflow: af::blocking is for plain functions");
  static constexpr bool has_params = !std::is_void_v<Params>;
  static_assert(
      is_tool_parameter<Params>,
      "agentflow: the parameter of a tool is a struct described by AGENTFLOW_PARAMS(Type, fields...), so that "
      "its fields have names; or af::JsonValue with a schema given by hand");

 public:
  CallableTool(std::string name, std::string description, F fn, ToolOptions options)
      : fn_(std::move(fn)), options_(std::move(options)) {
    JsonValue schema;
    if (options_.parameters())
      schema = *options_.parameters();
    else if constexpr (std::is_same_v<Params, JsonValue>)
      throw tool_error(errc::tool_invalid,
                       "the tool '" + name + "' takes any JSON: give its schema with ToolOptions().parameters(...)");
    else if constexpr (has_params)
      schema = schema_of<Params>();
    spec_ = ToolSpec(std::move(name), std::move(description), std::move(schema));
  }

  const ToolSpec& spec() const noexcept override { return spec_; }
  const ToolOptions& options() const noexcept override { return options_; }
  tool_kind kind() const noexcept override {
    if constexpr (is_async) return tool_kind::async;
    return IsBlocking ? tool_kind::blocking : tool_kind::sync;
  }

  ToolResult call(const JsonValue& arguments, ToolContext& context) override {
    if constexpr (is_async) {
      return Tool::call(arguments, context);
    } else if constexpr (has_params) {
      Params params = decode(arguments);
      return finish([&]() -> decltype(auto) { return invoke(params, context); });
    } else {
      return finish([&]() -> decltype(auto) { return invoke(context); });
    }
  }

  asio::awaitable<ToolResult> acall(JsonValue arguments, ToolContext& context) override {
    if constexpr (!is_async) {
      ToolResult result = co_await Tool::acall(std::move(arguments), context);
      co_return result;
    } else if constexpr (has_params) {
      // Lives here for as long as the work does, which may take it by reference.
      Params params = decode(arguments);
      auto work = invoke(params, context);
      ToolResult result = co_await await_result(std::move(work));
      co_return result;
    } else {
      auto work = invoke(context);
      ToolResult result = co_await await_result(std::move(work));
      co_return result;
    }
  }

 private:
  static Params decode(const JsonValue& arguments)
    requires has_params
  {
    if constexpr (std::is_same_v<Params, JsonValue>) {
      return arguments;
    } else {
      try {
        return from_json_value<Params>(arguments);
      } catch (const json_error& e) {  // such as a number that fits the schema, but not the type
        throw tool_error("the arguments are not right: " + e.context().field() + ": " + e.message());
      }
    }
  }
  template <class P>
  decltype(auto) invoke(P& params, ToolContext& context)
    requires has_params
  {
    if constexpr (Takes::context)
      return call_with(params, context);
    else
      return call_with(params);
  }
  decltype(auto) invoke([[maybe_unused]] ToolContext& context) {
    if constexpr (Takes::context)
      return fn_(context);
    else
      return fn_();
  }
  template <class P, class... C>
  decltype(auto) call_with(P& params, C&... context) {
    if constexpr (std::is_lvalue_reference_v<std::tuple_element_t<0, typename Sig::arguments>>)
      return fn_(std::as_const(params), context...);
    else
      return fn_(std::move(params), context...);
  }
  template <class Call>
  static ToolResult finish(Call&& call) {
    if constexpr (std::is_void_v<Result>) {
      call();
      return ToolResult::text("done");
    } else {
      return to_tool_result(call());
    }
  }
  static asio::awaitable<ToolResult> await_result(asio::awaitable<Result> work) {
    if constexpr (std::is_void_v<Result>) {
      co_await std::move(work);
      co_return ToolResult::text("done");
    } else {
      Result result = co_await std::move(work);
      co_return to_tool_result(std::move(result));
    }
  }

  F fn_;
  ToolSpec spec_;
  ToolOptions options_;
};

}  // namespace detail

/// Makes a tool of a callable: a function, lambda (move-only ones too) or functor, plain, an `asio::awaitable`
/// coroutine, or wrapped by `af::blocking`. It takes one struct described by AGENTFLOW_PARAMS (or nothing), optionally
/// `af::ToolContext&` last, and returns text, anything with a JSON mapping, content blocks, `ToolResult` or nothing.
/// With `JsonValue` as its parameter it takes the arguments as they are, and its schema comes from the options.
///
/// ```cpp
/// struct Sum { double a = 0, b = 0; };
/// AGENTFLOW_PARAMS(Sum, a, b)
/// auto add = af::tool("add", "Adds two numbers", [](const Sum& s) { return s.a + s.b; });
/// ```
/// **Errors** `tool_error` (tool_invalid) for a `JsonValue` parameter without a schema.
/// **Thread safety** Runs share the callable: one that changes its own captures must be prepared for several calls at
/// once.
template <class F>
std::shared_ptr<Tool> tool(std::string name, std::string description, F&& fn, ToolOptions options = {}) {
  return std::make_shared<detail::CallableTool<std::decay_t<F>, false>>(
      std::move(name), std::move(description), std::decay_t<F>(std::forward<F>(fn)), std::move(options));
}
template <class F>
std::shared_ptr<Tool> tool(std::string name, std::string description, Blocking<F> fn, ToolOptions options = {}) {
  return std::make_shared<detail::CallableTool<F, true>>(std::move(name), std::move(description), std::move(fn.fn),
                                                         std::move(options));
}

}  // namespace agentflow

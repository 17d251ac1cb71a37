// SPDX-License-Identifier: MIT
// The graph inside a ToolNode: check, ask, call.
#include <agentflow/prebuilt/tool_node.hpp>

#include <exception>

#include <fmt/format.h>

#include <agentflow/core/json.hpp>

#include "core/json_text.hpp"
#include "prebuilt/handoff_mark.hpp"

namespace agentflow {
namespace {

using nlohmann::json;

// No tool has such names: they hold a space.
constexpr const char* check_node = "check calls";
constexpr const char* ask_node = "ask approval";
constexpr std::size_t max_failure_bytes = 4096;

/// What a tool sees of its node.
class NodeHost final : public ToolHost {
 public:
  explicit NodeHost(NodeContext& context) : context_(context) {}
  const RunId& run_id() const noexcept override { return context_.run_id(); }
  const std::string& thread_id() const noexcept override { return context_.thread_id(); }
  bool cancelled() const noexcept override { return context_.cancelled(); }
  Clock& clock() const noexcept override { return context_.clock(); }
  asio::awaitable<void> sleep(std::chrono::nanoseconds duration) override { return context_.sleep(duration); }
  void progress(const ToolCallBlock& call, JsonValue data) override {
    if (!context_.listens(stream_mode::custom)) return context_.heartbeat();
    json event = {{"tool", call.name}, {"call_id", call.id}};
    event["progress"] = data.get();
    context_.write(JsonValue(std::move(event)));
  }
  void* user_object(const std::type_info& wanted) const override { return context_.user_object(wanted); }

 private:
  NodeContext& context_;
};

/// Text fit for a message: UTF-8, and not longer than so many bytes.
std::string fitting(std::string text, std::size_t max_bytes) {
  // Each search goes on after the last find, so that a megabyte of binary takes no longer than one of text.
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::size_t bad = detail::find_invalid_utf8(std::string_view(text).substr(at));
    if (bad == detail::all_valid) break;
    at += bad;
    text[at] = '?';
  }
  if (text.size() <= max_bytes) return text;
  const std::size_t whole = text.size();
  std::size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u) --end;
  text.resize(end);
  return text + fmt::format("\n[cut: these are the first {} of {} bytes]", end, whole);
}

Message to_message(const ToolCallBlock& call, ToolResult result, std::size_t max_bytes) {
  ToolResultBlock block(call.id, fitting(result.text(), max_bytes));
  if (!result.data().is_null()) {
    // Data that is too long is cut as text: half a document is none.
    std::string text = result.data().dump();
    if (text.size() > max_bytes)
      block.text = fitting(std::move(text), max_bytes);
    else
      block.data = result.data();
  }
  Message message = Message::tool(std::move(block).with_error(result.is_error())).with_name(call.name);
  std::size_t room = max_bytes;
  for (const ContentBlock& extra : result.extra()) {
    const std::size_t size = to_json_text(extra).size();
    if (size > room) {
      message = std::move(message).with_block(TextBlock(fmt::format("[cut: a block of {} bytes]", size)));
      continue;
    }
    room -= size;
    message = std::move(message).with_block(extra);
  }
  return message;
}

Message failure(const ToolCallBlock& call, std::string text) {
  return to_message(call, ToolResult::failure(fitting(std::move(text), max_failure_bytes)), 2 * max_failure_bytes);
}

/// Gives each call the place of its result.
std::string place(int number) { return fmt::format("{:06}", number); }

Update<ToolTurn> result_of(int number, Message message) {
  return Update<ToolTurn>().write<&ToolTurn::results>(
      std::map<std::string, Message>{{place(number), std::move(message)}});
}

const ToolCallBlock& only_call(const ToolTurn& turn) { return *turn.request.content().front().get_if<ToolCallBlock>(); }

Send send_call(std::string node, ToolCallBlock call, int number) {
  ToolTurn turn;
  turn.request = turn.request.with_role(Role::assistant).with_block(std::move(call));
  turn.call = number;
  return Send(std::move(node), std::move(turn));
}

/// Readies a call, or says why it cannot be made.
class Checked {
 public:
  Checked(const ToolSet& tools, const ToolCallBlock& call) : call_(call) {
    tool_ = tools.find(call.name);
    if (tool_ == nullptr) {
      fault_ = tools.empty()
                   ? "There are no tools."
                   : fmt::format("There is no tool {}. The tools are: {}.", detail::quoted(call.name), tools.names());
      return;
    }
    call_.arguments =
        call.arguments.is_null() ? JsonValue(json::object()) : tool_->schema.without_idle_nulls(call.arguments);
    if (const auto issues = tool_->schema.issues(call_.arguments); !issues.empty())
      fault_ = fmt::format("The arguments of {} are not right:\n{}\nCorrect them and call it again.", call.name,
                           to_string(issues));
  }
  const std::optional<std::string>& fault() const noexcept { return fault_; }
  const ToolSet::Entry& tool() const noexcept { return *tool_; }
  ToolCallBlock& call() noexcept { return call_; }

 private:
  const ToolSet::Entry* tool_ = nullptr;
  ToolCallBlock call_;
  std::optional<std::string> fault_;
};

Command<ToolTurn> check_calls(const ToolSet& tools, const ToolNodeOptions& options, const ToolTurn& turn) {
  Command<ToolTurn> next;
  std::map<std::string, Message> faults;
  int number = 0;
  for (const ToolCallBlock& call : turn.request.tool_calls()) {
    Checked checked(tools, call);
    if (static_cast<std::size_t>(number) >= options.max_calls()) {
      faults.emplace(place(number), failure(call, fmt::format("Not called: at most {} calls are made at once. Call it "
                                                              "again if you still need it.",
                                                              options.max_calls())));
    } else if (checked.fault()) {
      faults.emplace(place(number), failure(call, *checked.fault()));
    } else {
      const bool ask = options.confirm() && checked.tool().tool->options().side_effects();
      next.send(send_call(ask ? ask_node : call.name, std::move(checked.call()), number));
    }
    ++number;
  }
  next.update(Update<ToolTurn>().write<&ToolTurn::results>(std::move(faults)));
  if (next.route().empty()) next.go_to(END);
  return next;
}

asio::awaitable<Command<ToolTurn>> ask_approval(std::shared_ptr<const ToolSet> tools,
                                                std::shared_ptr<const ToolNodeOptions> options, ToolTurn turn,
                                                NodeContext& context) {
  const ToolCallBlock call = only_call(turn);
  auto question = options->confirm()(call, context);
  const Approval answer = co_await std::move(question);
  Command<ToolTurn> next;
  if (answer.denied()) {
    next.update(result_of(turn.call, failure(call, *answer.denied()))).go_to(END);
    co_return next;
  }
  ToolCallBlock wanted = call;
  if (answer.arguments()) wanted.arguments = *answer.arguments();
  Checked checked(*tools, wanted);
  if (checked.fault())
    next.update(result_of(turn.call, failure(call, *checked.fault()))).go_to(END);
  else
    next.send(send_call(call.name, std::move(checked.call()), turn.call));
  co_return next;
}

Update<ToolTurn> finish(const Tool& tool, const ToolTurn& turn, ToolResult result) {
  Message message = to_message(only_call(turn), std::move(result), tool.options().max_output_bytes());
  if (!tool.hands_off_to().empty()) message = detail::mark_handoff(std::move(message), tool.hands_off_to());
  return result_of(turn.call, std::move(message));
}

Update<ToolTurn> call_now(Tool& tool, const ToolTurn& turn, NodeContext& context) {
  NodeHost host(context);
  ToolContext tool_context(host, only_call(turn));
  return finish(tool, turn, tool.call(only_call(turn).arguments, tool_context));
}

asio::awaitable<Update<ToolTurn>> call_later(std::shared_ptr<Tool> tool, ToolTurn turn, NodeContext& context) {
  NodeHost host(context);
  ToolContext tool_context(host, only_call(turn));
  auto work = tool->acall(only_call(turn).arguments, tool_context);
  ToolResult result = co_await std::move(work);
  co_return finish(*tool, turn, std::move(result));
}

/// What a failed tool says to the model. Of a chain of causes only the one the tool threw counts.
std::string said_by(const error& e) {
  if (e.code() == errc::node_timeout) {
    const auto* late = dynamic_cast<const timeout_error*>(&e);
    return fmt::format(
        "The tool took longer than its {:.3g} s.",
        std::chrono::duration<double>(late != nullptr ? late->limit() : std::chrono::nanoseconds()).count());
  }
  try {
    if (const auto cause = e.cause()) std::rethrow_exception(cause);
  } catch (const error& x) {
    return "The tool failed: " + x.message();
  } catch (const std::exception& x) {
    return fmt::format("The tool failed: {}", x.what() != nullptr ? x.what() : "");
  } catch (...) {
  }
  return "The tool failed.";
}

/// What an interrupt fails with is nothing to tell a model: the run is not stored, or the answer was no Approval.
void rethrow_mistake(const error& e) {
  if (!e.cause()) return;
  try {
    std::rethrow_exception(e.cause());
  } catch (const config_error&) {
    throw;
  } catch (const json_error&) {
    throw;
  } catch (...) {
  }
}

void add_tool(StateGraph<ToolTurn>& graph, const std::shared_ptr<Tool>& tool, const ToolNodeOptions& defaults) {
  const std::string& name = tool->spec().name;
  NodeOptions options;
  if (const auto limit = tool->options().timeout() ? tool->options().timeout() : defaults.timeout())
    options.timeout(*limit);
  const auto now = [tool](const ToolTurn& turn, NodeContext& context) { return call_now(*tool, turn, context); };
  switch (tool->kind()) {
    case tool_kind::sync: graph.add_node(name, now, std::move(options)); break;
    case tool_kind::blocking: graph.add_node(name, blocking(now), std::move(options)); break;
    case tool_kind::async:
      graph.add_node(
          name, [tool](const ToolTurn& turn, NodeContext& context) { return call_later(tool, turn, context); },
          std::move(options));
  }
  graph.on_error(name, [](const ToolTurn& turn, const error& e) {
    return result_of(turn.call, failure(only_call(turn), said_by(e)));
  });
  graph.add_edge(name, END);
}

CompiledGraph<ToolTurn> make_graph(ToolSet set, ToolNodeOptions node_options) {
  const auto tools = std::make_shared<const ToolSet>(std::move(set));
  const auto options = std::make_shared<const ToolNodeOptions>(std::move(node_options));
  StateGraph<ToolTurn> graph;
  std::vector<std::string> targets{std::string(END)};
  for (const auto& entry : *tools) targets.push_back(entry.tool->spec().name);
  if (options->confirm()) {
    graph.add_node(
        ask_node,
        [tools, options](const ToolTurn& turn, NodeContext& context) {
          return ask_approval(tools, options, turn, context);
        },
        NodeOptions().destinations(targets));
    graph.on_error(ask_node, [](const ToolTurn& turn, const error& e) {
      rethrow_mistake(e);
      return Command<ToolTurn>()
          .update(result_of(turn.call, failure(only_call(turn), "The call could not be confirmed, and was not made.")))
          .go_to(END);
    });
    targets.push_back(ask_node);
  }
  graph.add_node(
      check_node, [tools, options](const ToolTurn& turn) { return check_calls(*tools, *options, turn); },
      NodeOptions().destinations(targets));
  for (const auto& entry : *tools) add_tool(graph, entry.tool, *options);
  graph.set_entry_point(check_node);
  return graph.compile();
}

}  // namespace

void agentflow_write_json(JsonWriter& out, const Approval& approval) {
  if (!approval.denied() && !approval.arguments()) return out.boolean(true);
  out.begin_object();
  if (approval.denied()) {
    out.key("deny");
    out.string(*approval.denied());
  } else {
    out.key("arguments");
    out.value(*approval.arguments());
  }
  out.end_object();
}

void agentflow_read_json(const JsonReader& in, Approval& approval) {
  if (!in.is_object()) {
    approval = in.as_bool() ? Approval::approve() : Approval::deny();
  } else if (const auto reason = in.find("deny")) {
    approval = Approval::deny(std::string(reason->as_string()));
  } else {
    approval = Approval::rewrite(in.at("arguments").value());
  }
}

asio::awaitable<Approval> interrupt_for_approval(ToolCallBlock call, NodeContext& context) {
  json payload = {{"tool", call.name}, {"call_id", call.id}};
  payload["arguments"] = call.arguments.get();
  auto question = context.interrupt<Approval>(JsonValue(std::move(payload)));
  Approval answer = co_await std::move(question);
  co_return answer;
}

ToolNode::ToolNode(ToolSet tools, ToolNodeOptions options) : graph_(make_graph(std::move(tools), std::move(options))) {}

ToolTurn ToolNode::begin(const List<Message>& conversation) {
  if (conversation.empty() || !conversation.back().has_tool_calls())
    throw tool_error(
        errc::tool_invalid,
        "the last message has no tool calls: route to the node of the tools only after a message that has");
  ToolTurn turn;
  turn.request = conversation.back();
  return turn;
}

std::vector<Message> ToolNode::results(const ToolTurn& turn) {
  std::vector<Message> out;
  for (const auto& [number, message] : turn.results) out.push_back(message);
  return out;
}

}  // namespace agentflow

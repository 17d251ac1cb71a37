// SPDX-License-Identifier: MIT
// The wire formats: what is sent for a conversation that has everything, and what is made of answers.
#include <agentflow/llm/providers.hpp>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/core/json_value.hpp>

#include "llm/exchange.hpp"

namespace {

using namespace exchange;
using af::JsonValue;
using af::Message;

JsonValue parse(const std::string& text) { return JsonValue::parse(text); }

/// Thoughts of every provider: each sends its own back, and no other.
af::ChatRequest everything() {
  af::ChatRequest r;
  r.messages.push_back(Message::system("Be brief."));
  r.messages.push_back(
      Message::user("What is this?")
          .with_block(af::ImageBlock(af::MediaSource::from_base64("QUJD", "image/png")))
          .with_block(af::ImageBlock(af::MediaSource::from_url("https://x.test/y.jpg", "image/jpeg"))));
  std::vector<af::ContentBlock> blocks;
  blocks.emplace_back(af::ReasoningBlock("plain"));
  blocks.emplace_back(af::ReasoningBlock("hm", "anthropic:SIG"));
  blocks.emplace_back(af::ReasoningBlock("", R"(anthropic-block:{"data":"xyz","type":"redacted_thinking"})"));
  blocks.emplace_back(
      af::ReasoningBlock("so", R"(openai:{"encrypted_content":"E","id":"rs_1","summary":[],"type":"reasoning"})"));
  blocks.emplace_back(af::TextBlock("I look."));
  blocks.emplace_back(af::TextBlock(""));  // which some refuse
  blocks.emplace_back(af::ReasoningBlock("", "gemini:GSIG"));
  blocks.emplace_back(af::ToolCallBlock("c1", "look", parse(R"({"deep":true})")));
  blocks.emplace_back(af::ToolCallBlock("c2", "clock", parse("\"not json\"")));
  r.messages.push_back(Message(af::Role::assistant, blocks));
  r.messages.push_back(Message::tool(af::ToolResultBlock("c1", parse(R"({"seen":"cat"})")))
                           .with_block(af::ToolResultBlock("c2", "broken").with_error()));
  r.messages.push_back(Message::user("So?"));
  af::ToolSpec look("look", "Looks", parse(R"({"type":"object","properties":{"deep":{"type":"boolean"}}})"));
  look.strict = true;
  r.tools.push_back(look);
  r.tools.emplace_back("clock");
  r.tool_choice = af::ToolChoice::tool("look");
  r.parallel_tool_calls = false;
  r.output = af::OutputSchema(parse(R"({"type":"object"})"), "result");
  r.temperature = 0.5;
  r.top_p = 0.25;
  r.max_tokens = 99;
  r.seed = 7;
  r.stop = {"END"};
  r.reasoning = "low";
  r.extra = parse(R"({"user":"me"})");
  r.keep_raw = true;
  return r;
}

const char* const chat_body = R"({
 "model":"the-model","user":"me","temperature":0.5,"top_p":0.25,"max_tokens":99,"seed":7,"stop":["END"],"reasoning_effort":"low",
 "messages":[
  {"role":"system","content":"Be brief."},
  {"role":"user","content":[{"type":"text","text":"What is this?"},
    {"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}},{"type":"image_url","image_url":{"url":"https://x.test/y.jpg"}}]},
  {"role":"assistant","content":"I look.","tool_calls":[
    {"id":"c1","type":"function","function":{"name":"look","arguments":"{\"deep\":true}"}},
    {"id":"c2","type":"function","function":{"name":"clock","arguments":"{\"invalid_arguments\":\"not json\"}"}}]},
  {"role":"tool","tool_call_id":"c1","content":"{\"seen\":\"cat\"}"},
  {"role":"tool","tool_call_id":"c2","content":"broken"},
  {"role":"user","content":"So?"}],
 "tools":[{"type":"function","function":{"name":"look","description":"Looks","strict":true,
    "parameters":{"type":"object","properties":{"deep":{"type":"boolean"}}}}},
   {"type":"function","function":{"name":"clock","parameters":{"type":"object","properties":{}}}}],
 "tool_choice":{"type":"function","function":{"name":"look"}},"parallel_tool_calls":false,
 "response_format":{"type":"json_schema","json_schema":{"name":"result","schema":{"type":"object"},"strict":true}}})";

const char* const responses_body = R"({
 "model":"the-model","user":"me","temperature":0.5,"top_p":0.25,"max_output_tokens":99,"instructions":"Be brief.",
 "reasoning":{"effort":"low"},"store":false,"include":["reasoning.encrypted_content"],
 "input":[
  {"type":"message","role":"user","content":[{"type":"input_text","text":"What is this?"},
    {"type":"input_image","detail":"auto","image_url":"data:image/png;base64,QUJD"},
    {"type":"input_image","detail":"auto","image_url":"https://x.test/y.jpg"}]},
  {"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"E"},
  {"type":"message","role":"assistant","content":[{"type":"output_text","text":"I look.","annotations":[]}]},
  {"type":"function_call","call_id":"c1","name":"look","arguments":"{\"deep\":true}"},
  {"type":"function_call","call_id":"c2","name":"clock","arguments":"{\"invalid_arguments\":\"not json\"}"},
  {"type":"function_call_output","call_id":"c1","output":"{\"seen\":\"cat\"}"},
  {"type":"function_call_output","call_id":"c2","output":"broken"},
  {"type":"message","role":"user","content":[{"type":"input_text","text":"So?"}]}],
 "tools":[{"type":"function","name":"look","description":"Looks","strict":true,
    "parameters":{"type":"object","properties":{"deep":{"type":"boolean"}}}},
   {"type":"function","name":"clock","strict":false,"parameters":{"type":"object","properties":{}}}],
 "tool_choice":{"type":"function","name":"look"},"parallel_tool_calls":false,
 "text":{"format":{"type":"json_schema","name":"result","schema":{"type":"object"},"strict":true}}})";

const char* const anthropic_body = R"({
 "model":"the-model","user":"me","temperature":0.5,"top_p":0.25,"max_tokens":99,"system":"Be brief.","stop_sequences":["END"],
 "messages":[
  {"role":"user","content":[{"type":"text","text":"What is this?"},
    {"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}},
    {"type":"image","source":{"type":"url","url":"https://x.test/y.jpg"}}]},
  {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"SIG"},{"type":"redacted_thinking","data":"xyz"},
    {"type":"text","text":"I look."},{"type":"tool_use","id":"c1","name":"look","input":{"deep":true}},
    {"type":"tool_use","id":"c2","name":"clock","input":{"invalid_arguments":"not json"}}]},
  {"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"{\"seen\":\"cat\"}"},
    {"type":"tool_result","tool_use_id":"c2","content":"broken","is_error":true},{"type":"text","text":"So?"}]}],
 "tools":[{"name":"look","description":"Looks","strict":true,"input_schema":{"type":"object","properties":{"deep":{"type":"boolean"}}}},
   {"name":"clock","input_schema":{"type":"object","properties":{}}}],
 "tool_choice":{"type":"tool","name":"look","disable_parallel_tool_use":true},
 "thinking":{"type":"adaptive"},"output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object"}}}})";

const char* const gemini_body = R"({
 "user":"me","systemInstruction":{"parts":[{"text":"Be brief."}]},
 "contents":[
  {"role":"user","parts":[{"text":"What is this?"},{"inlineData":{"mimeType":"image/png","data":"QUJD"}},
    {"fileData":{"mimeType":"image/jpeg","fileUri":"https://x.test/y.jpg"}}]},
  {"role":"model","parts":[{"text":"I look."},
    {"functionCall":{"id":"c1","name":"look","args":{"deep":true}},"thoughtSignature":"GSIG"},
    {"functionCall":{"id":"c2","name":"clock","args":{"invalid_arguments":"not json"}}}]},
  {"role":"user","parts":[{"functionResponse":{"id":"c1","name":"look","response":{"result":{"seen":"cat"}}}},
    {"functionResponse":{"id":"c2","name":"clock","response":{"error":"broken"}}},{"text":"So?"}]}],
 "tools":[{"functionDeclarations":[{"name":"look","description":"Looks",
    "parametersJsonSchema":{"type":"object","properties":{"deep":{"type":"boolean"}}}},{"name":"clock"}]}],
 "toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["look"]}},
 "generationConfig":{"temperature":0.5,"topP":0.25,"maxOutputTokens":99,"seed":7,"stopSequences":["END"],
   "responseMimeType":"application/json","responseJsonSchema":{"type":"object"},
   "thinkingConfig":{"thinkingLevel":"low","includeThoughts":true}}})";

const char* const chat_answer =
    R"({"id":"i1","model":"m1","choices":[{"index":0,"finish_reason":"tool_calls","message":{
 "role":"assistant","content":"Hi","reasoning_content":"hm","tool_calls":[
 {"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},
 {"id":"b","type":"function","function":{"name":"g","arguments":""}}]}}],
 "usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4},
 "completion_tokens_details":{"reasoning_tokens":2}}})";
const char* const chat_stream =
    R"(data: {"id":"i1","model":"m1","choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":"h"}}]}

data: {"choices":[{"index":0,"delta":{"reasoning_content":"m"}}]}

: comment
data: {"choices":[{"index":0,"delta":{"content":"H"}}]}

data: {"choices":[{"index":0,"delta":{"content":"i"}}],"usage":null}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\"x\""}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}}]}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}

data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}

data: [DONE]

)";
const char* const chat_shown = "(hm|)<Hi>[a f {\"x\":1}][b g {}] tool_calls 10+5 c4 r2 m1 i1";

const char* const responses_item =
    R"({"id":"rs","type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"E"})";
std::string responses_end() {
  return R"({"id":"i1","model":"m1","status":"completed","error":null,"usage":{"input_tokens":10,"output_tokens":5,
 "input_tokens_details":{"cached_tokens":4},"output_tokens_details":{"reasoning_tokens":2}},"output":[)" +
         std::string(responses_item) +
         R"(,{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi"}]},
 {"type":"function_call","id":"fc","call_id":"a","name":"f","arguments":"{\"x\":1}"},
 {"type":"function_call","id":"fd","call_id":"b","name":"g","arguments":"{}"}]})";
}
std::string one_line(std::string text) {
  std::string out;
  for (const char c : text)
    if (c != '\n') out += c;
  return out;
}
std::string named(std::initializer_list<std::pair<std::string, std::string>> events) {
  std::string out;
  for (const auto& [name, data] : events) {
    std::string body = one_line(data);
    body.insert(1, R"("type":")" + name + "\"" + (body == "{}" ? "" : ","));
    out += "event: " + name + "\ndata: " + body + "\n\n";
  }
  return out;
}
std::string responses_stream() {
  return named({
      {"response.created", R"({"response":{"id":"i1","model":"m1","status":"in_progress"}})"},
      {"response.output_item.added", R"({"output_index":0,"item":{"id":"rs","type":"reasoning","summary":[]}})"},
      {"response.reasoning_summary_text.delta", R"({"output_index":0,"delta":"h"})"},
      {"response.reasoning_summary_text.delta", R"({"output_index":0,"delta":"m"})"},
      {"response.output_item.done", R"({"output_index":0,"item":)" + std::string(responses_item) + "}"},
      {"response.output_item.added", R"({"output_index":1,"item":{"type":"message","content":[]}})"},
      {"response.output_text.delta", R"({"output_index":1,"content_index":0,"delta":"Hi"})"},
      {"response.output_text.done", R"({"output_index":1,"text":"Hi"})"},
      {"response.something.new", R"({"output_index":9})"},
      {"response.output_item.done",
       R"({"output_index":1,"item":{"type":"message","content":[{"type":"output_text","text":"Hi"}]}})"},
      {"response.output_item.added",
       R"({"output_index":2,"item":{"type":"function_call","call_id":"a","name":"f","arguments":""}})"},
      {"response.output_item.added",
       R"({"output_index":3,"item":{"type":"function_call","call_id":"b","name":"g","arguments":""}})"},
      {"response.function_call_arguments.delta", R"({"output_index":2,"delta":"{\"x\""})"},
      {"response.function_call_arguments.delta", R"({"output_index":2,"delta":":1}"})"},
      {"response.output_item.done",
       R"({"output_index":2,"item":{"type":"function_call","call_id":"a","name":"f","arguments":"{\"x\":1}"}})"},
      {"response.output_item.done",
       R"({"output_index":3,"item":{"type":"function_call","call_id":"b","name":"g","arguments":"{}"}})"},
      {"response.completed", R"({"response":)" + responses_end() + "}"},
  });
}
std::string responses_shown() {
  return "(hm|openai:" + parse(responses_item).dump() + ")<Hi>[a f {\"x\":1}][b g {}] tool_calls 10+5 c4 r2 m1 i1";
}

const char* const anthropic_answer =
    R"({"id":"i1","model":"m1","type":"message","role":"assistant","stop_reason":"tool_use","content":[
 {"type":"thinking","thinking":"hm","signature":"SIG"},{"type":"redacted_thinking","data":"xyz"},{"type":"text","text":"Hi"},
 {"type":"tool_use","id":"a","name":"f","input":{"x":1}},{"type":"tool_use","id":"b","name":"g","input":{}}],
 "usage":{"input_tokens":3,"cache_creation_input_tokens":3,"cache_read_input_tokens":4,"output_tokens":5}})";
std::string anthropic_stream() {
  return named({
      {"message_start",
       R"({"message":{"id":"i1","model":"m1","usage":{"input_tokens":3,"cache_creation_input_tokens":3,"cache_read_input_tokens":4,"output_tokens":1}}})"},
      {"content_block_start", R"({"index":0,"content_block":{"type":"thinking","thinking":"","signature":""}})"},
      {"content_block_delta", R"({"index":0,"delta":{"type":"thinking_delta","thinking":"h"}})"},
      {"ping", "{}"},
      {"content_block_delta", R"({"index":0,"delta":{"type":"thinking_delta","thinking":"m"}})"},
      {"content_block_delta", R"({"index":0,"delta":{"type":"signature_delta","signature":"SI"}})"},
      {"content_block_delta", R"({"index":0,"delta":{"type":"signature_delta","signature":"G"}})"},
      {"content_block_stop", R"({"index":0})"},
      {"content_block_start", R"({"index":1,"content_block":{"type":"redacted_thinking","data":"xyz"}})"},
      {"content_block_stop", R"({"index":1})"},
      {"content_block_start", R"({"index":2,"content_block":{"type":"text","text":""}})"},
      {"content_block_delta", R"({"index":2,"delta":{"type":"text_delta","text":"Hi"}})"},
      {"content_block_delta", R"({"index":2,"delta":{"type":"citations_delta","citation":{}}})"},
      {"content_block_stop", R"({"index":2})"},
      {"content_block_start", R"({"index":3,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}})"},
      {"content_block_delta", R"({"index":3,"delta":{"type":"input_json_delta","partial_json":""}})"},
      {"content_block_delta", R"({"index":3,"delta":{"type":"input_json_delta","partial_json":"{\"x\":"}})"},
      {"content_block_delta", R"({"index":3,"delta":{"type":"input_json_delta","partial_json":"1}"}})"},
      {"content_block_stop", R"({"index":3})"},
      {"content_block_start", R"({"index":4,"content_block":{"type":"tool_use","id":"b","name":"g","input":{}}})"},
      {"content_block_stop", R"({"index":4})"},
      {"message_delta", R"({"delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":5}})"},
      {"message_stop", "{}"},
  });
}
const char* const anthropic_shown =
    "(hm|anthropic:SIG)(|anthropic-block:{\"data\":\"xyz\",\"type\":\"redacted_thinking\"})<Hi>[a f {\"x\":1}][b g {}] "
    "tool_calls 10+5 c4 r0 m1 i1";

const char* const gemini_answer =
    R"({"responseId":"i1","modelVersion":"m1","candidates":[{"index":0,"finishReason":"STOP","content":{
 "role":"model","parts":[{"text":"hm","thought":true},{"text":"Hi"},{"functionCall":{"id":"a","name":"f","args":{"x":1}},"thoughtSignature":"SIG"},
 {"functionCall":{"id":"b","name":"g"}}]}}],
 "usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":3,"thoughtsTokenCount":2,"cachedContentTokenCount":4}})";
const char* const gemini_stream =
    R"(data: {"responseId":"i1","modelVersion":"m1","candidates":[{"content":{"role":"model","parts":[{"text":"h","thought":true}]}}],"usageMetadata":{"promptTokenCount":10}}

data: {"candidates":[{"content":{"parts":[{"text":"m","thought":true},{"text":"H"}]}}]}

data: {"candidates":[{"content":{"parts":[{"text":"i"}]}}]}

data: {"candidates":[{"content":{"parts":[{"functionCall":{"id":"a","name":"f","args":{"x":1}},"thoughtSignature":"SIG"},{"functionCall":{"id":"b","name":"g"}}]}}]}

data: {"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":3,"thoughtsTokenCount":2,"cachedContentTokenCount":4}}

)";
const char* const gemini_shown = "(hm|)<Hi>(|gemini:SIG)[a f {\"x\":1}][b g {}] tool_calls 10+5 c4 r2 m1 i1";

/// A wire format with what it sends and what it is sent.
struct Format {
  std::string name;
  Factory factory;
  std::string path, stream_path, body, answer, stream, shown;
  std::map<std::string, std::string> headers;
};

const std::vector<Format>& formats() {
  static const std::vector<Format> all = {
      {"openai_chat",
       llm::openai_chat,
       "/v1/chat/completions",
       "/v1/chat/completions",
       chat_body,
       chat_answer,
       chat_stream,
       chat_shown,
       {{"authorization", "Bearer sk-canary-1234"}}},
      {"openai_responses",
       llm::openai_responses,
       "/v1/responses",
       "/v1/responses",
       responses_body,
       responses_end(),
       responses_stream(),
       responses_shown(),
       {{"authorization", "Bearer sk-canary-1234"}}},
      {"anthropic",
       llm::anthropic,
       "/v1/messages",
       "/v1/messages",
       anthropic_body,
       anthropic_answer,
       anthropic_stream(),
       anthropic_shown,
       {{"x-api-key", "sk-canary-1234"}, {"anthropic-version", "2023-06-01"}}},
      {"gemini",
       llm::gemini,
       "/v1beta/models/the-model:generateContent",
       "/v1beta/models/the-model:streamGenerateContent?alt=sse",
       gemini_body,
       gemini_answer,
       gemini_stream,
       gemini_shown,
       {{"x-goog-api-key", "sk-canary-1234"}}},
  };
  return all;
}

af::ChatRequest request_for(const Format& f) {
  af::ChatRequest r = everything();
  if (f.name == "openai_responses") r.stop.clear();  // it has none
  return r;
}

std::string text_of(const std::vector<af::ChatEvent>& events) {
  std::string out;
  for (const auto& e : events)
    if (e.kind == af::ChatEventKind::text) out += e.text;
  return out;
}

}  // namespace

TEST_CASE("A conversation that has everything is sent as each format wants it", "[llm]") {
  for (const Format& f : formats()) {
    CAPTURE(f.name);
    chaos::Server server(chaos::Reply::json(f.answer));
    const Outcome outcome = ask(f.factory, server, request_for(f), false);
    REQUIRE(outcome.code() == "ok");
    const auto seen = server.requests().at(0);
    CHECK(seen.method == "POST");
    CHECK(seen.target == f.path);
    CHECK(seen.header("content-type") == "application/json");
    for (const auto& [name, value] : f.headers) CHECK(seen.header(name) == value);
    if (!(parse(seen.body) == parse(f.body))) CHECK(parse(seen.body).dump(1) == parse(f.body).dump(1));
    CHECK(outcome.response.raw == parse(f.answer));
    CHECK(outcome.response.raw_request == parse(f.body));
  }
}

TEST_CASE("Whole answers and streams come to the same", "[llm]") {
  for (const Format& f : formats()) {
    CAPTURE(f.name);
    chaos::Server whole(chaos::Reply::json(f.answer));
    const Outcome one = ask(f.factory, whole, request_for(f), false);
    CHECK(one.code() == "ok");
    CHECK(shown(one.response) == f.shown);

    chaos::Server server(chaos::Reply::sse(f.stream));
    const Outcome two = ask(f.factory, server, request_for(f), true);
    CHECK(two.code() == "ok");
    CHECK(server.requests().at(0).target == f.stream_path);
    CHECK(shown(two.response) == f.shown);
    CHECK(text_of(two.events) == "Hi");
    CHECK(two.response.raw.dump().size() > 100);

    // One byte at a time, and from a server that does not know streams.
    chaos::Server drip(chaos::Reply::sse(f.stream).in_pieces_of(1));
    CHECK(shown(ask(f.factory, drip, request_for(f), true).response) == f.shown);
    CHECK(shown(ask(f.factory, whole, request_for(f), true).response) == f.shown);
  }
}

TEST_CASE("What a model said goes back as it came", "[llm]") {
  for (const Format& f : formats()) {
    CAPTURE(f.name);
    chaos::Server server(chaos::Reply::sse(f.stream));
    af::ChatRequest request("Hello");
    request.messages.push_back(ask(f.factory, server, request, true).response.message);
    request.messages.push_back(Message::tool("a", "done"));
    ask(f.factory, server, request, true);
    const std::string body = server.requests().at(1).body;
    if (f.name == "anthropic") {
      CHECK_THAT(
          body,
          Catch::Contains(
              R"({"signature":"SIG","thinking":"hm","type":"thinking"},{"data":"xyz","type":"redacted_thinking"})"));
    } else if (f.name == "openai_responses") {
      CHECK_THAT(body, Catch::Contains(parse(responses_item).dump()));
    } else if (f.name == "gemini") {
      CHECK_THAT(body, Catch::Contains(R"("thoughtSignature":"SIG")"));
    } else {
      CHECK(body.find("reasoning_content") == std::string::npos);
      const af::http::Client client;
      chaos::run(ask(f.factory(client, options(server.url()).echo_reasoning()), request, true));
      CHECK_THAT(server.requests().at(2).body, Catch::Contains(R"("reasoning_content":"hm")"));
    }
  }
}

TEST_CASE("A block that does not even say what it is is no block", "[llm]") {
  chaos::Server server(chaos::Reply::json(
      R"({"stop_reason":"end_turn","content":[{"x":1},{"type":"text","text":"Hi"},{"type":"new","y":2}]})"));
  af::ChatRequest request("?");
  const Outcome first = ask(llm::anthropic, server, request, false);
  CHECK(shown(first.response) == R"(<Hi>(|anthropic-block:{"type":"new","y":2}) end 0+0 c0 r0 the-model )");
  request.messages.push_back(first.response.message);
  // Nor does it matter when somebody has changed what we keep.
  std::vector<af::ContentBlock> blocks;
  blocks.emplace_back(af::ReasoningBlock("", "anthropic-block:{}"));
  request.messages.push_back(Message(af::Role::assistant, blocks));
  CHECK(ask(llm::anthropic, server, request, false).code() == "ok");
  CHECK_THAT(server.requests().at(1).body, Catch::Contains(R"({"type":"new","y":2})"));
}

TEST_CASE("Every way to stop has its reason", "[llm]") {
  const auto stop = [](Factory factory, const std::string& answer) {
    chaos::Server server(chaos::Reply::json(answer));
    const Outcome o = ask(factory, server, af::ChatRequest("?"), false);
    return o.error ? o.code() : std::string(to_string(o.response.stop));
  };
  for (const auto& [word, reason] : std::map<std::string, std::string>{
           {"stop", "end"}, {"length", "length"}, {"content_filter", "refused"}, {"new", "other"}})
    CHECK(stop(llm::openai_chat, R"({"choices":[{"message":{"content":"x"},"finish_reason":")" + word + "\"}]}") ==
          reason);
  CHECK(stop(llm::openai_chat, R"({"choices":[{"message":{"refusal":"no"},"finish_reason":"stop"}]})") == "refused");
  for (const auto& [word, reason] : std::map<std::string, std::string>{{"end_turn", "end"},
                                                                       {"max_tokens", "length"},
                                                                       {"model_context_window_exceeded", "length"},
                                                                       {"stop_sequence", "stop_sequence"},
                                                                       {"pause_turn", "paused"},
                                                                       {"refusal", "refused"},
                                                                       {"new", "other"}})
    CHECK(stop(llm::anthropic, R"({"content":[],"stop_reason":")" + word + "\"}") == reason);
  for (const auto& [word, reason] : std::map<std::string, std::string>{
           {"STOP", "end"}, {"MAX_TOKENS", "length"}, {"SAFETY", "refused"}, {"MALFORMED_FUNCTION_CALL", "other"}})
    CHECK(stop(llm::gemini, R"({"candidates":[{"finishReason":")" + word + "\"}]}") == reason);
  CHECK(stop(llm::gemini, R"({"promptFeedback":{"blockReason":"SAFETY"}})") == "MODEL_007");
  CHECK(stop(llm::openai_responses, R"({"status":"completed","output":[]})") == "end");
  for (const auto& [word, reason] : std::map<std::string, std::string>{
           {"max_output_tokens", "length"}, {"content_filter", "refused"}, {"x", "other"}})
    CHECK(stop(llm::openai_responses, R"({"status":"incomplete","incomplete_details":{"reason":")" + word + "\"}}") ==
          reason);
  CHECK(stop(llm::openai_responses,
             R"({"status":"completed","output":[{"type":"message","content":[{"type":"refusal","refusal":"no"}]}]})") ==
        "refused");
  CHECK(stop(llm::openai_responses, R"({"status":"failed","error":{"code":"server_error","message":"oops"}})") ==
        "MODEL_004");
}

TEST_CASE("Servers that are only nearly OpenAI's are understood", "[llm]") {
  const auto stream = [](const std::string& events) {
    chaos::Server server(chaos::Reply::sse(events));
    const Outcome o = ask(llm::openai_chat, server, af::ChatRequest("?"), true);
    return o.error ? o.code() : shown(o.response);
  };
  // No index at all; one index for every call; an object in place of the arguments; "stop" beside calls; no [DONE].
  CHECK(
      stream(R"(data: {"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\"x\":"}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"1}"}}]}}]}

data: {"choices":[{"delta":{"tool_calls":[{"id":"b","function":{"name":"g","arguments":{"y":2}}}]},"finish_reason":"stop"}]}

)") == "[a f {\"x\":1}][b g {\"y\":2}] tool_calls 0+0 c0 r0 the-model ");
  CHECK(
      stream(
          R"(data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}},{"index":0,"id":"b","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}

data: [DONE]

)") == "[a f {}][b f {}] tool_calls 0+0 c0 r0 the-model ");
  // Thoughts under their other name, content in parts, an error in the middle.
  CHECK(
      stream(
          R"(data: {"choices":[{"delta":{"reasoning":"hm","content":[{"type":"text","text":"Hi"}]},"finish_reason":"stop"}]}

)") == "(hm|)<Hi> end 0+0 c0 r0 the-model ");
  CHECK(stream(R"(data: {"choices":[{"delta":{"content":"Hi"}}]}

data: {"error":{"message":"the server is overloaded","type":"server_error"}}

)") == "MODEL_004");
}

TEST_CASE("Calls without an id get one", "[llm]") {
  chaos::Server server(chaos::Reply::json(
      R"({"candidates":[{"finishReason":"STOP","content":{"parts":[{"functionCall":{"name":"f","args":{}}},{"functionCall":{"name":"f","args":{}}}]}}]})"));
  af::ChatRequest request("?");
  const auto message = ask(llm::gemini, server, request, false).response.message;
  const auto calls = message.tool_calls();
  REQUIRE(calls.size() == 2);
  CHECK((!calls[0].id.empty() && calls[0].id != calls[1].id));
  request.messages.push_back(message);
  request.messages.push_back(Message::tool(calls[1].id, "done"));
  ask(llm::gemini, server, request, false);
  const std::string body = server.requests().at(1).body;
  CHECK(body.find(calls[0].id) == std::string::npos);  // and it is ours alone
  CHECK_THAT(body, Catch::Contains(R"("functionResponse":{"name":"f","response":{"result":"done"}})"));
}

TEST_CASE("Addresses with and without a version, a slash or the whole path lead to the same place", "[llm]") {
  chaos::Server server([](const chaos::Seen&) { return chaos::Reply::json("{}", 404); });
  const af::http::Client client;
  const auto target = [&](Factory factory, const std::string& path) {
    chaos::run(ask(factory(client, options(server.url(path))), af::ChatRequest("?"), false));
    return server.requests().back().target;
  };
  for (const std::string path : {"", "/", "/v1", "/v1/", "/v1/chat/completions"})
    CHECK(target(llm::openai_chat, path) == "/v1/chat/completions");
  CHECK(target(llm::openai_chat, "/openai/v2") == "/openai/v2/chat/completions");
  for (const std::string path : {"", "/", "/v1", "/v1/"}) {
    CHECK(target(llm::openai_responses, path) == "/v1/responses");
    CHECK(target(llm::anthropic, path) == "/v1/messages");
  }
  for (const std::string path : {"", "/v1beta", "/v1beta/"})
    CHECK(target(llm::gemini, path) == "/v1beta/models/the-model:generateContent");
}

TEST_CASE("Options of one provider do what they say", "[llm]") {
  chaos::Server server([](const chaos::Seen&) { return chaos::Reply::json("{}", 404); });
  const af::http::Client client;
  const auto body = [&](Factory factory, const llm::ProviderOptions& o, const af::ChatRequest& r) {
    chaos::run(ask(factory(client, o), r, false));
    return server.requests().back().body;
  };
  af::ChatRequest r("?");
  r.temperature = 0.5;
  r.max_tokens = 5;
  const std::string late = body(llm::anthropic, options(server.url()).anthropic_version("2026-10-21"), r);
  CHECK(late.find("temperature") == std::string::npos);
  CHECK(server.requests().back().header("anthropic-version") == "2026-10-21");
  CHECK_THAT(body(llm::openai_chat, options(server.url()).max_completion_tokens(true), r),
             Catch::Contains(R"("max_completion_tokens":5)"));
  r.max_tokens.reset();
  r.reasoning = "2048";
  CHECK_THAT(body(llm::anthropic, options(server.url()).default_max_tokens(77), r),
             Catch::Contains(R"("max_tokens":77)") &&
                 Catch::Contains(R"("thinking":{"budget_tokens":2048,"type":"enabled"})"));
  CHECK_THAT(body(llm::gemini, options(server.url()), r), Catch::Contains(R"("thinkingBudget":2048)"));
  r.reasoning = "none";
  CHECK_THAT(body(llm::anthropic, options(server.url()), r), Catch::Contains(R"("thinking":{"type":"disabled"})"));
  llm::ProviderOptions keyless("m");
  keyless.base_url(server.url()).header("x-mine", "1").header("x-secret-token", "t");
  body(llm::openai_chat, keyless, r);
  CHECK(server.requests().back().header("authorization").empty());
  CHECK(server.requests().back().header("x-mine") == "1");
  CHECK(server.requests().back().header("x-secret-token") == "t");
  r.stop = {"x"};
  const Outcome refused = ask(llm::openai_responses, server, r, true);
  CHECK(refused.code() == "MODEL_005");
  r = af::ChatRequest("?");
  r.model = "other";
  CHECK_THAT(body(llm::openai_chat, options(server.url()), r), Catch::Contains(R"("model":"other")"));
}

// SPDX-License-Identifier: MIT
// Exchanges written to a file and played back.
#include <agentflow/llm/recording.hpp>

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/testing/scripted_model.hpp>
#include <agentflow/testing/virtual_time.hpp>

#include "support/catch.hpp"

namespace af = agentflow;
namespace llm = agentflow::llm;
using af::testing::ScriptedModel;

namespace {

class TempFile {
 public:
  TempFile() {
    char name[] = "/tmp/agentflow_recording_XXXXXX";
    ::close(::mkstemp(name));
    path = name;
  }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  ~TempFile() { std::remove(path.c_str()); }
  std::string text() const {
    std::ostringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }
  std::string path;
};

asio::awaitable<std::vector<af::ChatEvent>> events(std::shared_ptr<af::ChatModel> model, af::ChatRequest request) {
  const auto stream = model->stream(std::move(request));
  std::vector<af::ChatEvent> out;
  for (;;) {
    auto next = stream->next();
    const auto event = co_await std::move(next);
    if (!event) break;
    out.push_back(*event);
  }
  co_return out;
}

std::string why_not(const std::string& file) {
  try {
    llm::replaying(file);
  } catch (const af::config_error& e) {
    return e.message();
  }
  return "taken";
}

}  // namespace

TEST_CASE("What was recorded is played back: streams, whole answers and failures", "[llm]") {
  af::testing::VirtualLoop loop;
  const TempFile file;
  const auto script = std::make_shared<ScriptedModel>();
  std::vector<af::ChatEvent> first;
  {
    const auto model = llm::recording(script, file.path);
    std::vector<af::ContentBlock> blocks;
    blocks.emplace_back(af::ReasoningBlock("hm", "sig"));
    blocks.emplace_back(af::TextBlock("one two"));
    blocks.emplace_back(af::ToolCallBlock("c", "t", af::JsonValue::parse(R"({"a":1})")));
    blocks.emplace_back(af::ImageBlock(af::MediaSource::from_url("http://x/y.png")));
    script->reply(af::ChatResponse(af::Message(af::Role::assistant, blocks).with_usage(af::TokenUsage(1, 2)),
                                   af::StopReason::tool_calls));
    script->reply("whole").reply("again");
    script->fail(af::model_error(af::errc::model_refused, "no"));
    first = loop.run(events(model, af::ChatRequest("a")));
    CHECK(loop.run(model->complete(af::ChatRequest("b"))).text() == "whole");
    CHECK(loop.run(model->complete(af::ChatRequest("b"))).text() == "again");
    CHECK_THROWS_AS(loop.run(model->complete(af::ChatRequest("c"))), af::model_error);
  }
  const auto replay = llm::replaying(file.path);
  CHECK(replay->name() == "replay");
  CHECK(loop.run(replay->complete(af::ChatRequest("b"))).text() == "whole");
  CHECK(loop.run(events(replay, af::ChatRequest("a"))) == first);
  CHECK(loop.run(replay->complete(af::ChatRequest("b"))).text() == "again");
  try {
    loop.run(replay->complete(af::ChatRequest("c")));
    FAIL("no error");
  } catch (const af::model_error& e) {
    CHECK(e.code() == af::errc::model_refused);
    CHECK(e.message() == "no");
  }
  for (const std::string unknown : {"b", "d"}) {
    try {
      loop.run(replay->complete(af::ChatRequest(unknown)));
      FAIL("no error");
    } catch (const af::model_error& e) {
      CHECK(e.code() == af::errc::model_bad_request);
      CHECK_THAT(e.message(), Catch::Contains("no further answer"));
    }
  }
}

TEST_CASE("What is not UTF-8 cannot be recorded, and says so", "[llm]") {
  af::testing::VirtualLoop loop;
  const TempFile file;
  const auto script = std::make_shared<ScriptedModel>();
  script->reply("x");
  try {
    loop.run(llm::recording(script, file.path)->complete(af::ChatRequest("na\xEFve")));
    FAIL("no error");
  } catch (const af::model_error& e) {
    CHECK(e.code() == af::errc::model_bad_request);
    CHECK_THAT(e.message(), Catch::Contains("not UTF-8"));
  }
  script->reply("na\xEFve");
  CHECK_THROWS_AS(loop.run(llm::recording(script, file.path)->complete(af::ChatRequest("?"))), af::model_error);
  CHECK(file.text().empty());  // not even as a failure: the model did answer
}

TEST_CASE("A request is told apart by what the model sees", "[llm]") {
  af::testing::VirtualLoop loop;
  const TempFile file;
  const auto script = std::make_shared<ScriptedModel>();
  std::vector<af::ChatRequest> requests(9, af::ChatRequest("?"));
  requests[1].temperature = 0;
  requests[2].tools.emplace_back("t");
  requests[3].tools.emplace_back("t", "other");
  requests[4].model = "m";
  requests[5].output = af::OutputSchema(af::JsonValue::parse("{}"));
  requests[6].messages[0] = af::Message::system("?");
  requests[7].tool_choice = af::ToolChoice::required();
  requests[8].extra = af::JsonValue::parse(R"({"x":1})");
  {
    const auto model = llm::recording(script, file.path);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      script->reply(std::to_string(i));
      loop.run(model->complete(requests[i]));
    }
  }
  const auto replay = llm::replaying(file.path);
  for (std::size_t i = requests.size(); i-- > 0;) {
    requests[i].keep_raw = true;  // does not count
    CHECK(loop.run(replay->complete(requests[i])).text() == std::to_string(i));
  }
}

TEST_CASE("Files that are no recordings are refused, with the line", "[llm]") {
  CHECK(why_not("/no/such/file") == "replaying: the file /no/such/file cannot be read");
  const TempFile file;
  const auto with = [&](const std::string& text) {
    std::ofstream(file.path) << text;
    return why_not(file.path);
  };
  CHECK_THAT(with("\n{\"request\":{}"), Catch::StartsWith("replaying: line 2 of"));
  CHECK_THAT(with("{\"events\":[{\"kind\":\"x\"}]}"), Catch::Contains("unknown kind \"x\""));
  CHECK_THAT(with("{\"error\":{\"code\":\"MODEL_999\"}}"), Catch::Contains("unknown code \"MODEL_999\""));
  CHECK(with("") == "taken");
  CHECK_THROWS_AS(llm::recording(std::make_shared<ScriptedModel>(), "/no/such/folder/x"), af::config_error);
}

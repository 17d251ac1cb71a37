// SPDX-License-Identifier: MIT
// What providers answer: any bytes are an answer, or a typed error.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include <agentflow/core/error.hpp>
#include <agentflow/http/sse.hpp>

#include "llm/wire.hpp"

namespace af = agentflow;
namespace llm = agentflow::llm;

namespace {

/// Puts the events together, and takes the message apart as the next request would.
void use(const llm::Wire& wire, const llm::Answer& answer) {
  af::ChatRequest request("?");
  request.max_answer_bytes = 1 << 16;
  af::ChatAssembler assembler(request);
  for (const auto& event : answer.events) assembler.add(event);
  const af::ChatResponse response = assembler.response();
  request.messages.push_back(response.message);
  request.messages.push_back(af::Message::tool("x", "y"));
  const af::JsonValue body(wire.body(request, "m", llm::ProviderOptions("m"), true));
  if (body.dump().empty()) std::abort();
}

void stream(const llm::Wire& wire, std::string_view bytes) {
  const auto decoder = wire.decoder();
  llm::Answer answer;
  af::http::SseParser parser;
  parser.feed(bytes);
  while (const auto event = parser.next()) {
    if (event->data.empty()) continue;
    decoder->event(af::JsonValue::parse(event->data).get(), event->event, answer);
  }
  decoder->finish(answer);
  use(wire, answer);
}

void whole(const llm::Wire& wire, std::string_view bytes) {
  const auto decoder = wire.decoder();
  llm::Answer answer;
  decoder->whole(af::JsonValue::parse(bytes).get(), answer);
  decoder->finish(answer);
  use(wire, answer);
}

}  // namespace

/// The first byte chooses the format, and whether the rest is a stream, a whole answer, or an error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const std::unique_ptr<llm::Wire> wires[] = {llm::openai_chat_wire(), llm::openai_responses_wire(),
                                                     llm::anthropic_wire(), llm::gemini_wire()};
  const llm::Wire& wire = *wires[data[0] % 4];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (data[0] / 4 % 3) {
      case 0: stream(wire, bytes); break;
      case 1: whole(wire, bytes); break;
      default: llm::classify(400, af::JsonValue::parse(bytes).get(), bytes); break;
    }
  } catch (const af::error&) {
  }
  return 0;
}

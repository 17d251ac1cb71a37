// SPDX-License-Identifier: MIT
// Server-sent events: any bytes, in any pieces, give the same events, or the same refusal.
#include <agentflow/http/sse.hpp>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <agentflow/http/http_error.hpp>

namespace http = agentflow::http;

namespace {

class Result {
 public:
  std::vector<http::SseEvent> events;
  bool refused = false;
  bool operator==(const Result&) const = default;
};

Result parse(std::string_view bytes, std::size_t piece) {
  Result out;
  http::SseParser parser(256, 2048);
  try {
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      parser.feed(bytes.substr(at, piece));
      while (auto event = parser.next()) out.events.push_back(std::move(*event));
    }
  } catch (const http::http_error&) {
    out.refused = true;
    while (auto event = parser.next()) out.events.push_back(std::move(*event));
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Result whole = parse(bytes, size + 1);
  for (const std::size_t piece : {1, 2, 3, 7})
    if (!(parse(bytes, piece) == whole)) std::abort();
  return 0;
}

// SPDX-License-Identifier: MIT
// The line machine of server-sent events.
#include <agentflow/http/sse.hpp>

#include <algorithm>
#include <string>
#include <utility>

#include <agentflow/http/http_error.hpp>

namespace agentflow::http {

namespace {
/// Where the first CR or LF is, or npos: several times as fast as find_first_of, which looks for each character in
/// turn.
std::size_t end_of_line(std::string_view bytes) noexcept {
  const auto at = std::find_if(bytes.begin(), bytes.end(), [](char c) { return c == '\n' || c == '\r'; });
  return at == bytes.end() ? bytes.npos : static_cast<std::size_t>(at - bytes.begin());
}
}  // namespace

void SseParser::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    // The second half of a CR LF, perhaps in another piece than the first.
    if (std::exchange(after_cr_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t end = end_of_line(bytes);
    const std::string_view piece = bytes.substr(0, end);
    if (line_.size() + piece.size() > max_line_)
      throw http_error(errc::http_limit, "a line of the event stream is longer than " + std::to_string(max_line_));
    line_ += piece;
    if (end == bytes.npos) return;
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    end_line();
  }
}

void SseParser::end_line() {
  std::string_view line = line_;
  if (std::exchange(first_line_, false) && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  if (line.empty()) {
    if (has_data_) {
      if (!event_.data.empty()) event_.data.pop_back();  // the newline after the last line
      ready_.push_back(event_);
    }
    event_.event.clear();
    event_.data.clear();
    event_bytes_ = 0;
    has_data_ = false;
  } else if (line.front() != ':') {
    const std::size_t colon = line.find(':');
    std::string_view value = colon == line.npos ? std::string_view() : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    field(line.substr(0, colon), value);
  }
  line_.clear();
}

void SseParser::field(std::string_view name, std::string_view value) {
  event_bytes_ += value.size() + 32;  // what an empty line costs us, too
  if (event_bytes_ > max_event_)
    throw http_error(errc::http_limit, "an event of the stream is longer than " + std::to_string(max_event_));
  if (name == "data") {
    event_.data.append(value) += '\n';
    has_data_ = true;
  } else if (name == "event") {
    event_.event = value;
  } else if (name == "id" && value.find('\0') == value.npos) {
    event_.id = value;
  }
}

std::optional<SseEvent> SseParser::next() {
  if (ready_.empty()) return std::nullopt;
  SseEvent event = std::move(ready_.front());
  ready_.pop_front();
  return event;
}

}  // namespace agentflow::http

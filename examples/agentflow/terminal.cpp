// SPDX-License-Identifier: MIT
// Printing chunks, asking for approval.
#include "terminal.hpp"

#include <istream>

#include <fmt/format.h>

namespace agent_cli {

namespace af = agentflow;

std::string safe_text(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are control characters too, and U+202A to U+202E and U+2066 to U+2069 turn the text around.
    if (c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) {
      ++i;
    } else if (c == 0xE2 && i + 2 < text.size() &&
               (text.substr(i + 1, 1) == "\x80" || text.substr(i + 1, 1) == "\x81") &&
               ((static_cast<unsigned char>(text[i + 1]) == 0x80 && static_cast<unsigned char>(text[i + 2]) >= 0xAA &&
                 static_cast<unsigned char>(text[i + 2]) <= 0xAE) ||
                (static_cast<unsigned char>(text[i + 1]) == 0x81 && static_cast<unsigned char>(text[i + 2]) >= 0xA6 &&
                 static_cast<unsigned char>(text[i + 2]) <= 0xA9))) {
      i += 2;
    } else if (c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7F)) {
      out += text[i];
    }
  }
  return out;
}

void Printer::see(const af::Chunk& chunk) {
  if (trace_) fmt::print(err_, "{}\n", safe_text(chunk.to_json()));
  if (chunk.kind() == af::chunk_kind::token) {
    say(chunk.content());
  } else if (chunk.kind() == af::chunk_kind::message) {
    end_line();
    for (const auto& call : chunk.message().tool_calls())
      fmt::print(err_, "  -> {} {}\n", safe_text(call.name), safe_text(call.arguments.dump()));
    if (chunk.message().role() == af::Role::assistant && !chunk.message().text().empty()) {
      say(chunk.message().text());
      end_line();
    }
  }
}

void Printer::say(const std::string& text) {
  const std::string safe = safe_text(text);
  if (safe.empty() || out_ == nullptr) return;
  in_line_ = safe.back() != '\n';
  // Events go to the same terminal: they must not stand in the middle of the answer.
  if (trace_) {
    held_ += safe;
    return;
  }
  std::fwrite(safe.data(), 1, safe.size(), out_);
  std::fflush(out_);
}

void Printer::end_line() {
  if (in_line_) say("\n");
}

void Printer::finish() {
  end_line();
  if (out_ == nullptr) return;
  std::fwrite(held_.data(), 1, held_.size(), out_);
  std::fflush(out_);
  held_.clear();
}

std::optional<af::Approval> ask_approval(const af::JsonValue& question, std::istream& in, std::FILE* out) {
  const af::JsonReader call(question);
  const std::string tool(call.at("tool").as_string());
  const std::string arguments = call.at("arguments").value().dump();
  for (;;) {
    fmt::print(out, "The agent wants to call {} with {}\nAllow it? [y]es, [n]o, [e]dit, [l]ater: ", safe_text(tool),
               safe_text(arguments));
    std::fflush(out);
    std::string line;
    if (!std::getline(in, line) || line == "l" || line == "later") return std::nullopt;
    if (line == "y" || line == "yes") return af::Approval::approve();
    if (line == "n" || line == "no") return af::Approval::deny();
    if (line != "e" && line != "edit") continue;
    fmt::print(out, "The arguments, as JSON: ");
    std::fflush(out);
    if (!std::getline(in, line)) return std::nullopt;
    try {
      return af::Approval::rewrite(af::JsonValue::parse(line));
    } catch (const af::json_error& e) {
      fmt::print(out, "{}\n", safe_text(e.message()));
    }
  }
}

}  // namespace agent_cli

// SPDX-License-Identifier: MIT
// The rules of the offline planner.
#include "offline_model.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <agentflow/core/json.hpp>

#include "search.hpp"

namespace agent_cli {

namespace af = agentflow;

namespace {

using nlohmann::json;

std::string_view trim(std::string_view text, std::string_view what = " \t\r\n") {
  const auto first = text.find_first_not_of(what);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(what) - first + 1);
}

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

/// A request, and how much of it a rule has read. Matching ignores case; what is left keeps it.
class Phrase {
 public:
  explicit Phrase(std::string_view text) : text_(trim(trim(text), "?!. ")) {
    for (const char* polite : {"please ", "can you ", "could you "}) eat({polite});
  }

  bool eat(std::initializer_list<std::string_view> starts) {
    const std::string low = lowered(text_);
    for (const auto start : starts)
      if (low.starts_with(start)) {
        text_ = trim(text_.substr(start.size()));
        return true;
      }
    return false;
  }
  bool has(std::initializer_list<std::string_view> words) const {
    const std::string low = lowered(text_);
    return std::any_of(words.begin(), words.end(), [&](auto w) { return low.find(w) != std::string::npos; });
  }
  /// Splits at the last such word: "x in docs" gives "docs" and leaves "x".
  std::optional<std::string> cut_after(std::string_view word) {
    const auto at = lowered(text_).rfind(word);
    if (at == std::string::npos) return std::nullopt;
    std::string tail(trim(text_.substr(at + word.size()), " \"'`"));
    text_ = trim(text_.substr(0, at));
    return tail;
  }
  std::string rest() const { return std::string(trim(text_, " \"'`")); }

 private:
  std::string_view text_;
};

/// A call of a tool, or words.
struct Move {
  std::string tool;
  json arguments = nullptr;
  std::string text;
};

Move call(std::string tool, json arguments) { return {std::move(tool), std::move(arguments), {}}; }
Move say(std::string text) { return {{}, nullptr, std::move(text)}; }

bool is_arithmetic(const std::string& text) {
  return !text.empty() && text.find_first_of("0123456789") != std::string::npos &&
         text.find_first_of("+-*/%^(") != std::string::npos &&
         text.find_first_not_of("0123456789.+-*/%^(), abceghilmnopqrstwx") == std::string::npos;
}

json folder_argument(const std::optional<std::string>& folder) {
  json arguments = json::object();
  if (folder && !folder->empty()) arguments["folder"] = *folder;
  return arguments;
}

std::optional<Move> plan_arithmetic(Phrase p) {
  const bool asked = p.eat({"calculate ", "compute ", "how much is ", "what is ", "what's "});
  if (is_arithmetic(lowered(p.rest()))) {
    json arguments = json::object();
    arguments["expression"] = lowered(p.rest());
    if (asked || lowered(p.rest()).find_first_of("0123456789(") == 0) return call("calculator", std::move(arguments));
  }
  return std::nullopt;
}

bool asks_for_time(Phrase p) {
  return p.rest() == "time" || p.rest() == "date" ||
         p.eat({"what time", "what date", "what day", "what is the time", "what is the date", "what's the time",
                "what's the date", "tell me the time", "tell me the date", "what is today", "what's today"});
}

/// One word: a path, and no sentence.
bool is_path(const Phrase& p) { return p.rest().find(' ') == std::string::npos; }

std::optional<Move> plan_files(const Phrase& request) {
  Phrase p = request;
  if (p.eat({"list the files", "list files", "list ", "ls", "what files are"})) {
    p.eat({"in ", "of "});
    p.eat({"the folder ", "folder "});
    if (is_path(p)) return call("list_files", folder_argument(p.rest()));
  }
  p = request;
  if (p.eat({"read ", "show me ", "show ", "cat ", "open "}) && (p.eat({"the file ", "file "}) || is_path(p))) {
    json arguments = json::object();
    arguments["path"] = p.rest();
    return call("read_file", std::move(arguments));
  }
  p = request;
  if (p.eat({"search for ", "search ", "find ", "grep ", "look for "})) {
    json arguments = folder_argument(p.cut_after(" in "));
    arguments["query"] = p.rest();
    return call("search_files", std::move(arguments));
  }
  if (p.eat({"digest", "summarise", "summarize", "sum up", "give me an overview of"})) {
    p.eat({"the folder ", "folder ", "of "});
    if (is_path(p)) return call("digest", folder_argument(p.rest()));
  }
  p = request;
  if (p.eat({"write "})) {
    const auto path = p.cut_after(" to ");
    if (!path) return say("To write a file say: write TEXT to FILE");
    json arguments = json::object();
    arguments["path"] = *path;
    arguments["content"] = p.rest() + "\n";
    return call("write_file", std::move(arguments));
  }
  return std::nullopt;
}

/// What to do about one request.
Move plan(std::string_view request) {
  const Phrase p(request);
  if (p.rest().empty() || p.rest() == "help" || p.has({"what can you do"})) return say(OfflineModel::help());
  if (auto move = plan_arithmetic(p)) return *move;
  if (asks_for_time(p)) return call("clock", json::object());
  if (auto move = plan_files(p)) return *move;
  // The words and not the sentence: whoever quotes the question does not answer it.
  std::string words;
  for (const auto& word : key_words(p.rest())) words += (words.empty() ? "" : ", ") + word;
  if (words.empty()) return say(OfflineModel::help());
  json arguments = json::object();
  arguments["query"] = words;
  arguments["max_results"] = 8;
  return call("search_files", std::move(arguments));
}

bool is_question(std::string_view request) {
  const Move move = plan(request);
  return move.tool == "search_files" && move.arguments.contains("max_results");
}

/// What the conversation has come to since the user spoke last.
struct Turn {
  std::string request;
  std::vector<af::ToolCallBlock> calls;
  std::vector<af::ToolResultBlock> results;
};

Turn current_turn(const std::vector<af::Message>& messages) {
  Turn turn;
  std::size_t start = messages.size();
  while (start > 0 && messages[start - 1].role() != af::Role::user) --start;
  if (start > 0) turn.request = messages[start - 1].text();
  for (std::size_t i = start; i < messages.size(); ++i) {
    for (const auto& block : messages[i].content()) {
      if (const auto* c = block.get_if<af::ToolCallBlock>()) turn.calls.push_back(*c);
      if (const auto* r = block.get_if<af::ToolResultBlock>()) turn.results.push_back(*r);
    }
  }
  return turn;
}

af::Message calls_message(const std::vector<Move>& moves, std::size_t already) {
  std::vector<af::ContentBlock> blocks;
  for (const Move& move : moves)
    if (!move.tool.empty())
      blocks.emplace_back(
          af::ToolCallBlock(fmt::format("offline_{}", ++already), move.tool, af::JsonValue(move.arguments)));
  return af::Message(af::Role::assistant, std::move(blocks));
}

/// A line of what search_files gave: "path:12: text".
struct Place {
  std::string path;
  unsigned line = 0;
  std::string whole;
};

/// The places of a search, the one to read first: not one that only quotes the question, and prose before code.
std::vector<Place> places_of(const std::string& hits, const std::string& request) {
  const std::string question = lowered(Phrase(request).rest());
  std::vector<Place> out;
  for (std::string_view left = hits; !left.empty();) {
    const std::size_t end = std::min(left.find('\n'), left.size());
    const std::string_view hit = left.substr(0, end);
    left.remove_prefix(std::min(end + 1, left.size()));
    const auto colon = hit.find(':');
    if (colon == std::string_view::npos || lowered(hit).find(question) != std::string::npos) continue;
    const auto line = static_cast<unsigned>(std::strtoul(std::string(hit.substr(colon + 1, 12)).c_str(), nullptr, 10));
    if (line > 0) out.push_back({std::string(hit.substr(0, colon)), line, std::string(hit)});
  }
  const auto prose = std::find_if(out.begin(), out.end(), [](const Place& p) { return is_prose(p.path); });
  if (prose != out.end()) std::rotate(out.begin(), prose, prose + 1);
  return out;
}

constexpr unsigned lines_before = 8;

Move read_around(const Place& place) {
  json arguments = json::object();
  arguments["path"] = place.path;
  arguments["first_line"] = place.line > lines_before ? place.line - lines_before : 1;
  arguments["lines"] = lines_before + 12;
  return call("read_file", std::move(arguments));
}

/// What was read, from the beginning of the paragraph or item that the search led to, with the heading right above it.
std::string quoted(const std::string& text, std::size_t found) {
  std::vector<std::string_view> lines;
  for (std::string_view left = text; !left.empty();) {
    const std::size_t end = std::min(left.find('\n'), left.size());
    if (!left.starts_with("[the file goes on")) lines.push_back(left.substr(0, end));
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  const auto blank = [&](std::size_t i) { return trim(lines[i]).empty(); };
  std::size_t first = std::min(found, lines.empty() ? 0 : lines.size() - 1);
  while (first > 0 && !blank(first - 1) && !lines[first].starts_with("- ")) --first;
  if (first >= 2 && lines[first - 2].starts_with('#')) first -= 2;
  std::size_t last = lines.size();
  while (last > found + 1 && blank(last - 1)) --last;
  std::string out;
  for (std::size_t i = first; i < last; ++i) out += fmt::format("  | {}\n", lines[i]);
  return out;
}

/// The answer to a question: the passage that the search led to.
std::string word_question(const Turn& turn) {
  const auto places = places_of(turn.results.front().text, turn.request);
  const std::size_t found = places[0].line - turn.calls.back().arguments.get().value("first_line", 1U);
  std::string out = fmt::format(
      "I am a planner, not a language model, so I do not explain; this is the passage that fits best, from {}:\n\n{}",
      places[0].path, quoted(turn.results.back().text, found));
  for (std::size_t i = 1; i < std::min<std::size_t>(places.size(), 5); ++i)
    out += (i == 1 ? "\nOther places:\n" : "") + places[i].whole + "\n";
  return out;
}

std::string word_results(const Turn& turn) {
  std::string out;
  for (std::size_t i = 0; i < turn.results.size(); ++i) {
    const auto& result = turn.results[i];
    const std::string tool = i < turn.calls.size() ? turn.calls[i].name : "";
    if (result.is_error) {
      out += fmt::format("That did not work. {}\n", result.text);
    } else if (tool == "calculator") {
      out += fmt::format("{} = {}\n", turn.calls[i].arguments.get().value("expression", ""), result.text);
    } else {
      out += result.text + (result.text.ends_with('\n') ? "" : "\n");
    }
  }
  return std::string(trim(out, "\n"));
}

af::Message answer(const af::ChatRequest& request) {
  const Turn turn = current_turn(request.messages);
  if (turn.results.empty()) {
    std::vector<Move> moves;
    std::string words;
    for (std::string_view left = turn.request; !left.empty();) {
      const std::size_t end = std::min(left.find(';'), left.size());
      Move move = plan(left.substr(0, end));
      left.remove_prefix(std::min(end + 1, left.size()));
      const bool offered = move.tool.empty() || std::any_of(request.tools.begin(), request.tools.end(),
                                                            [&](const auto& t) { return t.name == move.tool; });
      if (!offered && move.tool == "write_file")
        move = say("I may not write files: start me with --approve, and I ask you first.");
      else if (!offered)
        move = say(fmt::format("I do not have the tool {} here.", move.tool));
      words += move.text;
      if (!move.tool.empty()) moves.push_back(std::move(move));
    }
    if (moves.empty()) return af::Message::assistant(words.empty() ? OfflineModel::help() : words);
    return calls_message(moves, 0);
  }
  const bool question = is_question(turn.request) && turn.calls.front().name == "search_files";
  const bool found = question && !turn.results.front().is_error;
  const auto places = found ? places_of(turn.results.front().text, turn.request) : std::vector<Place>();
  if (turn.calls.size() == 1 && !places.empty()) return calls_message({read_around(places.front())}, 1);
  if (!places.empty() && turn.calls.size() == 2 && turn.results.size() == 2 && !turn.results.back().is_error)
    return af::Message::assistant(word_question(turn));
  return af::Message::assistant(word_results(turn));
}

/// An answer that is there already, given in pieces.
class OfflineStream final : public af::ChatStream {
 public:
  explicit OfflineStream(af::ChatRequest request) : request_(std::move(request)), assembler_(request_) {}
  asio::awaitable<std::optional<af::ChatEvent>> next() override {
    if (!events_) events_ = af::events_of(af::ChatResponse(answer(request_)));
    if (at_ == events_->size()) co_return std::nullopt;
    af::ChatEvent event = (*events_)[at_++];
    assembler_.add(event);
    co_return event;
  }
  af::ChatResponse response() const override { return assembler_.response(); }
  const std::string& message_id() const noexcept override { return assembler_.message_id(); }

 private:
  af::ChatRequest request_;
  af::ChatAssembler assembler_;
  std::optional<std::vector<af::ChatEvent>> events_;
  std::size_t at_ = 0;
};

}  // namespace

asio::awaitable<af::ChatResponse> OfflineModel::complete(af::ChatRequest request) {
  af::Message message = answer(request);
  const auto stop = message.has_tool_calls() ? af::StopReason::tool_calls : af::StopReason::end;
  co_return af::ChatResponse(std::move(message), stop);
}

std::unique_ptr<af::ChatStream> OfflineModel::stream(af::ChatRequest request) {
  return std::make_unique<OfflineStream>(std::move(request));
}

std::string OfflineModel::help() {
  return "I am the built-in offline planner, not a language model. I understand:\n"
         "  what is 12 * (3 + 4)             arithmetic\n"
         "  what time is it                  date and time\n"
         "  list files in FOLDER             what is in a folder\n"
         "  read FILE                        a file\n"
         "  search for WORDS in FOLDER       lines of files, best first\n"
         "  summarise FOLDER                 languages, key terms, the files that matter\n"
         "  write TEXT to FILE               a new file, if you let me (--approve)\n"
         "  any other question               the passage of the files that fits it best\n"
         "Several requests are separated by semicolons, and done side by side.";
}

}  // namespace agent_cli

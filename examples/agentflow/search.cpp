// SPDX-License-Identifier: MIT
// A small ranking of lines.
#include "search.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "digest/text.hpp"

namespace agent_cli {
namespace {

constexpr std::size_t reach = 3;  // lines before and after that count for a line

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

bool is_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

/// A word without the endings that change most often, so that "merged" finds "merge".
std::string stem(std::string word) {
  for (const std::string_view ending : {"ing", "ies", "ed", "es", "s", "e", "y"})
    if (word.size() >= ending.size() + 4 && word.ends_with(ending)) {
      word.resize(word.size() - ending.size());
      break;
    }
  return word;
}

bool is_common(std::string_view word) {
  static const std::set<std::string_view> common = {
      "a",     "an",    "and",    "are",  "as",   "at",   "be",    "by",   "can",  "could",   "do",
      "does",  "file",  "files",  "for",  "from", "get",  "had",   "has",  "have", "how",     "i",
      "if",    "in",    "into",   "is",   "it",   "its",  "me",    "my",   "of",   "on",      "or",
      "our",   "out",   "please", "say",  "says", "tell", "than",  "that", "the",  "their",   "them",
      "then",  "there", "these",  "they", "this", "to",   "was",   "we",   "were", "what",    "when",
      "where", "which", "who",    "why",  "will", "with", "would", "you",  "your", "project", "about"};
  return common.contains(word);
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? lower(text[i]) : ' ';
    if (is_word_byte(c)) {
      word += c;
    } else if (!word.empty()) {
      out.push_back(std::exchange(word, {}));
    }
  }
  return out;
}

std::vector<std::string_view> lines_of(const std::string& content) {
  std::vector<std::string_view> out;
  const std::string_view all = content;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find('\n', at), all.size());
    out.push_back(all.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

/// A line that might be shown: which words it has, and those around it.
struct Candidate {
  Hit hit;
  std::vector<bool> here, near;
  bool whole = false;  // it has the whole query
  double weight = 1;   // what kind of line in what kind of file
};

/// How much lines tell: prose explains, code and lists of changes only mention.
class Kinds {
 public:
  explicit Kinds(std::string_view path) : markdown_(path.ends_with(".md")), prose_(is_prose(path)) {
    const std::string name = lowered(path.substr(path.rfind('/') + 1));
    if (name.starts_with("changelog") || name.starts_with("changes") || name.starts_with("news")) file_ = 0.6;
  }
  /// Takes the lines in their order.
  double weight(std::string_view line) {
    if (markdown_ && line.starts_with("```")) fenced_ = !fenced_;
    if (!prose_ || fenced_) return 0.4 * file_;
    return (markdown_ && line.starts_with('#') ? 1.2 : 1.0) * file_;
  }

 private:
  bool markdown_, prose_;
  bool fenced_ = false;
  double file_ = 1;
};

/// Reads files and keeps what has to do with the query.
class Collector {
 public:
  explicit Collector(const std::string& query) : phrase_(lowered(query)) {
    for (const auto& word : key_words(query)) stems_.push_back(stem(word));
    files_with_.assign(stems_.size(), 0);
  }

  void file(const std::string& path, const std::string& content) {
    ++files_;
    const std::string low = lowered(content);
    const auto lines = lines_of(content);
    const auto low_lines = lines_of(low);
    std::vector<std::vector<bool>> has(lines.size());
    std::vector<bool> anywhere(stems_.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      has[i].resize(stems_.size());
      for (std::size_t w = 0; w < stems_.size(); ++w)
        if (begins_word(low_lines[i], stems_[w])) has[i][w] = anywhere[w] = true;
    }
    for (std::size_t w = 0; w < stems_.size(); ++w) files_with_[w] += anywhere[w] ? 1 : 0;
    Kinds kinds(path);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const double weight = kinds.weight(lines[i]);
      const bool whole = !phrase_.empty() && low_lines[i].find(phrase_) != std::string_view::npos;
      if (!whole && std::none_of(has[i].begin(), has[i].end(), [](bool b) { return b; })) continue;
      if (candidates_.size() < max_candidates) candidates_.push_back(candidate(path, lines, has, i, whole, weight));
    }
  }

  std::vector<Hit> best(std::size_t count) {
    std::vector<std::pair<double, std::size_t>> order;
    for (std::size_t i = 0; i < candidates_.size(); ++i) order.emplace_back(-score(candidates_[i]), i);
    std::sort(order.begin(), order.end());
    std::vector<Hit> out;
    std::set<std::pair<std::string, std::size_t>> taken;
    for (const auto& [score, i] : order) {
      const Hit& hit = candidates_[i].hit;
      if (out.size() == count) break;
      if (taken.emplace(hit.path, hit.line / 10).second) out.push_back(hit);
    }
    return out;
  }

 private:
  static constexpr std::size_t max_candidates = 200'000;

  static bool begins_word(std::string_view line, std::string_view wanted) {
    for (std::size_t at = line.find(wanted); at != std::string_view::npos; at = line.find(wanted, at + 1))
      if (at == 0 || !is_word_byte(line[at - 1])) return true;
    return false;
  }

  Candidate candidate(const std::string& path, const std::vector<std::string_view>& lines,
                      const std::vector<std::vector<bool>>& has, std::size_t i, bool whole, double weight) const {
    Candidate c;
    c.hit = {digest::valid_utf8(path, 300), i + 1, digest::valid_utf8(lines[i], 200)};
    c.here = has[i];
    c.near = has[i];
    c.whole = whole;
    const std::size_t last = std::min(lines.size(), i + reach + 1);
    for (std::size_t j = i >= reach ? i - reach : 0; j < last; ++j)
      for (std::size_t w = 0; w < stems_.size(); ++w)
        if (has[j][w]) c.near[w] = true;
    c.weight = weight;
    return c;
  }

  double score(const Candidate& c) const {
    double score = 0;
    for (std::size_t w = 0; w < stems_.size(); ++w) {
      const double weight = std::log(1.0 + static_cast<double>(files_) / (1.0 + static_cast<double>(files_with_[w])));
      score += (c.here[w] ? 1.0 + weight : 0.0) + (c.near[w] ? 0.7 * (1.0 + weight) : 0.0);
    }
    return score * c.weight + (c.whole ? 100.0 : 0.0);
  }

  std::string phrase_;
  std::vector<std::string> stems_;
  std::vector<std::size_t> files_with_;
  std::size_t files_ = 0;
  std::vector<Candidate> candidates_;
};

}  // namespace

std::vector<std::string> key_words(std::string_view text) {
  std::vector<std::string> out;
  for (auto& word : words_of(text))
    if (!is_common(word) && std::find(out.begin(), out.end(), word) == out.end()) out.push_back(std::move(word));
  return out;
}

bool is_prose(std::string_view path) {
  return path.ends_with(".md") || path.ends_with(".rst") ||
         (path.ends_with(".txt") && !path.ends_with("CMakeLists.txt"));
}

std::vector<Hit> search(const Root& root, const std::string& folder, const std::string& query, std::size_t max_hits,
                        const std::function<bool()>& stop) {
  Collector collector(query);
  root.for_each_text(folder, [&](const std::string& path, const std::string& content) {
    collector.file(path, content);
    return !stop();
  });
  return collector.best(max_hits);
}

}  // namespace agent_cli

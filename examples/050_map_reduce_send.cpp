// SPDX-License-Identifier: MIT
// Map and reduce: a router sends each part of the work, with an input of its own, to one node.
#include <algorithm>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct Count {
  std::string title;
  int words = 0;
  bool operator==(const Count&) const = default;
};
AGENTFLOW_STATE(Count, title, words)  // gives Count a JSON form, so that the state has one

struct Book {
  std::vector<std::string> chapters;
  af::List<Count> counts;
  std::string longest;
};
AGENTFLOW_STATE(Book, chapters, (counts, af::append), longest)

// What one task gets instead of the whole state.
struct Chapter {
  std::size_t number;
  std::string text;
};

// Runs once for each Send, all of them in one step.
af::Update<Book> count_words(const Chapter& chapter) {
  std::istringstream words(chapter.text);
  Count count;
  count.title = "chapter " + std::to_string(chapter.number);
  for (std::string word; words >> word;) ++count.words;
  return af::Update<Book>().write<&Book::counts>(std::move(count));
}

std::vector<af::Send> one_per_chapter(const Book& book) {
  std::vector<af::Send> sends;
  for (std::size_t i = 0; i < book.chapters.size(); ++i) sends.emplace_back("count", Chapter{i + 1, book.chapters[i]});
  return sends;
}

// An edge from "count" runs this once, in the step after all the counting.
Book compare(Book book) {
  const auto longest = std::max_element(book.counts.begin(), book.counts.end(),
                                        [](const Count& a, const Count& b) { return a.words < b.words; });
  book.longest = longest->title;
  return book;
}

int main() {
  af::StateGraph<Book> graph;
  graph.add_node("count", count_words).add_node("compare", compare);
  graph.add_conditional_edges("START", one_per_chapter, {"count"});
  graph.add_edge("count", "compare").add_edge("compare", "END");

  Book book;
  book.chapters = {"It was a dark night.", "The rain fell in torrents, except at times.", "The end."};
  const auto result = graph.compile().invoke(book, af::RunConfig().max_concurrency(2));
  for (const Count& c : result->counts) std::cout << c.title << ": " << c.words << " words\n";
  std::cout << "The longest is " << result->longest << ".\n";

  const bool right = result->counts.size() == 3 && result->counts[1].words == 8 && result->longest == "chapter 2" &&
                     result.steps() == 2;
  return right ? 0 : 1;
}

// SPDX-License-Identifier: MIT
// Graphs as nodes: over the same state, and over another state with a mapping in and a mapping out.
#include <iostream>
#include <string>
#include <utility>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct Article {
  std::string topic;
  std::string text;
  af::List<std::string> sources;
};
AGENTFLOW_STATE(Article, topic, text, (sources, af::append))

// The search has a state of its own: it need not know what an article is.
struct Search {
  std::string query;
  af::List<std::string> hits;
};
AGENTFLOW_STATE(Search, query, (hits, af::append))

af::CompiledGraph<Search> search_graph() {
  af::StateGraph<Search> graph;
  graph.add_node("books",
                 [](const Search& s) { return af::Update<Search>().write<&Search::hits>("a book on " + s.query); });
  graph.add_node("web",
                 [](const Search& s) { return af::Update<Search>().write<&Search::hits>("a page on " + s.query); });
  graph.set_entry_point("books").set_entry_point("web").add_edge("books", "END").add_edge("web", "END");
  return graph.compile();
}

af::CompiledGraph<Article> polish_graph() {
  af::StateGraph<Article> graph;
  graph.add_node("spell", [](Article a) {
    a.text += " spelled";
    return a;
  });
  graph.add_node("shorten", [](Article a) {
    a.text += " shortened";
    return a;
  });
  graph.set_entry_point("spell").add_edge("spell", "shorten").add_edge("shorten", "END");
  return graph.compile();
}

int main() {
  af::StateGraph<Article> graph;
  graph.add_subgraph(
      "search", search_graph(),
      [](const Article& a) {
        Search s;
        s.query = a.topic;
        return s;
      },
      [](const Article&, Search s) { return af::Update<Article>().write<&Article::sources>(std::move(s.hits)); });
  graph.add_node("write", [](Article a) {
    a.text = "written from " + std::to_string(a.sources.size()) + " sources,";
    return a;
  });
  graph.add_node("polish", polish_graph());
  graph.set_entry_point("search").add_edge("search", "write").add_edge("write", "polish").add_edge("polish", "END");
  const auto app = graph.compile();

  // The events of inner nodes carry the path of their graph.
  Article input;
  input.topic = "bees";
  std::string seen;
  auto stream = app.stream(input, af::RunConfig().stream(af::stream_mode::debug));
  for (const af::Chunk& chunk : stream) {
    if (chunk.kind() != af::chunk_kind::node_start) continue;
    seen += (chunk.path().empty() ? "" : chunk.path() + "/") + chunk.node() + " ";
  }
  const auto result = stream.result();
  std::cout << seen << "\n" << result->text << "\n";
  for (const auto& source : result->sources) std::cout << "- " << source << "\n";

  const bool right = seen == "search search/books search/web write polish polish/spell polish/shorten " &&
                     result->text == "written from 2 sources, spelled shortened";
  return right ? 0 : 1;
}

// SPDX-License-Identifier: MIT
// An answer that is a C++ value: the model gets a schema, and what it answers is checked, mended and decoded.
#include <agentflow/agentflow.hpp>
#include <agentflow/testing/scripted_model.hpp>

#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace af = agentflow;

struct Line {
  std::string what;
  double euro = 0;
  bool operator==(const Line&) const = default;
};
AGENTFLOW_PARAMS(Line, what, (euro, "The price of one"))

struct Invoice {
  std::vector<Line> lines;
  std::optional<std::string> customer;
  bool operator==(const Invoice&) const = default;
};
AGENTFLOW_PARAMS(Invoice, lines, (customer, "If the text names one"))

int main() {
  // A real one: const auto model = af::llm::model_from_environment(af::http::Client());
  auto model = std::make_shared<af::testing::ScriptedModel>();
  model
      ->reply(R"({"lines": [{"what": "chair", "price": 120}]})")  // not what was asked for
      .reply(R"({"lines": [{"what": "chair", "euro": 120}, {"what": "lamp", "euro": 35.5}], "customer": null})");

  const auto app = af::structured_agent<Invoice>(model).compile();
  const auto result = app.invoke("A chair for 120 euro and a lamp for 35.50");
  const Invoice& invoice = *result->answer;

  std::cout << "the model was told:\n" << result->messages[2].text() << "\n\n";
  double total = 0;
  for (const Line& line : invoice.lines) {
    std::cout << line.what << ": " << line.euro << " euro\n";
    total += line.euro;
  }
  std::cout << "total: " << total << " euro\n";
}

// SPDX-License-Identifier: MIT
// Functions that block, away from the event loop: the loop goes on while they read, compute or wait.
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <tuple>

#include <agentflow/agentflow.hpp>
#include <asio/awaitable.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot open " + path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

bool is_prime(long n) {
  for (long d = 2; d * d <= n; ++d)
    if (n % d == 0) return false;
  return n > 1;
}

asio::awaitable<int> amain() {
  // Two threads compute, and this one counts meanwhile.
  int ticks = 0;
  bool done = false;
  auto tick = [&]() -> asio::awaitable<void> {
    while (!done) {
      co_await af::sleep(100us);
      ++ticks;
    }
  };
  auto compute = [&]() -> asio::awaitable<bool> {
    auto results = co_await af::gather(af::run_blocking([] { return is_prime(2'147'483'647); }),
                                       af::run_blocking([] { return is_prime(2'147'483'649); }));
    done = true;
    co_return std::get<0>(results) && !std::get<1>(results);
  };
  const auto both = co_await af::gather(compute(), tick());
  std::cout << "computed " << (std::get<0>(both) ? "right" : "wrong") << " while the loop ticked "
            << (ticks > 0 ? "on" : "never") << "\n";

  // What the function throws comes back.
  std::string error;
  try {
    co_await af::run_blocking([] { return read_file("/no/such/file"); });
  } catch (const std::runtime_error& e) {
    error = e.what();
  }
  std::cout << error << "\n";
  co_return std::get<0>(both) && ticks > 0 && error == "cannot open /no/such/file" ? 0 : 1;
}

int main() { return af::run(amain()); }

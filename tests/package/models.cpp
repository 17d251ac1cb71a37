// SPDX-License-Identifier: MIT
// A user of the component llm: asks a server that is not there, and catches the error thrown in the other library.
#include <agentflow/agentflow.hpp>
#include <agentflow/llm/providers.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <cstdio>

namespace af = agentflow;

int main() {
  const af::http::Client client;
  auto options = af::llm::ProviderOptions("m").base_url("http://127.0.0.1:9").retry(af::llm::RetryOptions().retries(0));
  const auto model = af::llm::openai_chat(client, options);
  af::errc code{};
  asio::io_context io;
  asio::co_spawn(io, model->complete(af::ChatRequest("Hello")), [&code](std::exception_ptr e, af::ChatResponse) {
    try {
      if (e) std::rethrow_exception(e);
    } catch (const af::model_error& error) {
      std::puts(error.what());
      code = error.code();
    }
  });
  io.run();
  return code == af::errc::model_transport ? 0 : 1;
}

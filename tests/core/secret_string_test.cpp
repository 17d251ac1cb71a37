// SPDX-License-Identifier: MIT
// Secrets: hard to print, easy to take out of a text.
#include <agentflow/core/secret_string.hpp>

#include <cstdlib>
#include <string>
#include <type_traits>

#include "support/catch.hpp"

namespace af = agentflow;

TEST_CASE("A secret shows itself to nobody by accident", "[secret]") {
  static_assert(!std::is_convertible_v<af::SecretString, std::string>);
  const af::SecretString secret("sk-\"a/b+c d");
  CHECK(secret.reveal() == "sk-\"a/b+c d");
  CHECK(af::redact("x sk-\"a/b+c d y", secret) == "x *** y");
  CHECK(af::redact("x sk-\\\"a/b+c d y", secret) == "x *** y");
  CHECK(af::redact("x sk-%22a%2Fb%2Bc%20d y", secret) == "x *** y");
  CHECK(af::redact("x c2stImEvYitjIGQ= y", secret) == "x ***= y");
  CHECK(af::redact("nothing", af::SecretString()) == "nothing");
  std::string source = "key";
  CHECK(af::SecretString::take(source).reveal() == "key");
  CHECK(source.empty());
  ::setenv("AGENTFLOW_TEST_SECRET", " \t key\n", 1);
  CHECK(af::SecretString::from_environment("AGENTFLOW_TEST_SECRET").reveal() == "key");
  ::unsetenv("AGENTFLOW_TEST_SECRET");
  CHECK(af::SecretString::from_environment("AGENTFLOW_TEST_SECRET").empty());
}

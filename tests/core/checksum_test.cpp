// SPDX-License-Identifier: MIT
// The stored checksum: the values that the specification's implementations give, for every length of the tail.
#include <agentflow/core/checksum.hpp>

#include <set>
#include <string>

#include "support/catch.hpp"

using agentflow::checksum64;

TEST_CASE("checksum64 is XXH64", "[checksum]") {
  CHECK(checksum64("") == 0xEF46DB3751D8E999ULL);
  CHECK(checksum64("a") == 0xD24EC4F1A98C6E5BULL);
  CHECK(checksum64("abc") == 0x44BC2CF5AD770999ULL);
  CHECK(checksum64("Nobody inspects the spammish repetition") == 0xFBCEA83C8A378BF1ULL);
  CHECK(checksum64("", 1) != checksum64("", 2));
}

TEST_CASE("checksum64 tells any changed bit, and every length", "[checksum]") {
  std::set<std::uint64_t> sums;
  std::string text;
  std::size_t count = 0;
  for (std::size_t length = 0; length < 100; ++length, text.push_back('\0')) {
    sums.insert(checksum64(text));
    ++count;
    for (std::size_t bit = 0; bit < length * 8; ++bit) {
      std::string changed = text;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
      sums.insert(checksum64(changed));
      ++count;
    }
  }
  CHECK(sums.size() == count);
}

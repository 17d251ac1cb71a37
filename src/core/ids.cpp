// SPDX-License-Identifier: MIT
// Random identifiers.
#include <agentflow/core/ids.hpp>

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <ostream>
#include <random>

namespace agentflow {
namespace {

// Counts the forks this process descends from, so that each thread's generator notices that it was copied.
std::atomic<std::uint32_t> generation{1};

bool watch_forks() noexcept {
  return ::pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); }) == 0;
}

// xoshiro256++ (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021).
struct Generator {
  std::uint64_t s[4];
  std::uint32_t generation;  // 0: not seeded yet

  std::uint64_t next() noexcept {
    const std::uint64_t result = std::rotl(s[0] + s[3], 23) + s[0];
    const std::uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = std::rotl(s[3], 45);
    return result;
  }
};

// Out of line: once per thread and fork.
[[gnu::noinline]] void seed(Generator& g) {
  static const bool watching = watch_forks();
  if (::getentropy(g.s, sizeof g.s) != 0) {  // a sandbox without the system call
    std::random_device device;
    for (std::uint64_t& word : g.s) word = (std::uint64_t{device()} << 32) | device();
  }
  g.s[0] |= 1;  // the one state it must not have is all zeros
  // If forks cannot be watched (no memory), the generator is never taken for seeded and seeds each time.
  g.generation = watching ? generation.load(std::memory_order_relaxed) : 0;
}

constinit thread_local Generator thread_generator{};

Generator& generator() {
  Generator& g = thread_generator;
  if (g.generation != generation.load(std::memory_order_relaxed)) [[unlikely]]
    seed(g);
  return g;
}

constexpr char base32[] = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

}  // namespace

RunId RunId::make() {
  Generator& g = generator();
  const std::uint64_t high = g.next();
  return RunId(high, g.next());
}

std::string RunId::to_string() const {
  // 26 digits of 5 bits are 130: the first holds the top 3 bits.
  std::string text(text_size, '0');
  std::uint64_t high = high_, low = low_;
  for (std::size_t i = text_size; i-- > 0;) {
    text[i] = base32[low & 31];
    low = (low >> 5) | (high << 59);
    high >>= 5;
  }
  return text;
}

std::optional<RunId> RunId::parse(std::string_view text) noexcept {
  if (text.size() != text_size || text[0] > '7') return std::nullopt;
  std::uint64_t high = 0, low = 0;
  for (const char c : text) {
    const std::size_t digit = std::string_view(base32, 32).find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    high = (high << 5) | (low >> 59);
    low = (low << 5) | digit;
  }
  return RunId(high, low);
}

std::ostream& operator<<(std::ostream& out, const RunId& id) { return out << id.to_string(); }

std::string make_message_id() {
  Generator& g = generator();
  std::string id(15, 'm');
  std::uint64_t bits = g.next();
  for (std::size_t i = 1; i <= 7; ++i, bits >>= 6) id[i] = base64[bits & 63];
  bits = g.next();
  for (std::size_t i = 8; i <= 14; ++i, bits >>= 6) id[i] = base64[bits & 63];
  return id;
}

}  // namespace agentflow

// SPDX-License-Identifier: MIT
// XXH64.
#include <agentflow/core/checksum.hpp>

#include <bit>
#include <cstddef>

namespace agentflow {
namespace {

constexpr std::uint64_t prime1 = 0x9E3779B185EBCA87ULL, prime2 = 0xC2B2AE3D27D4EB4FULL, prime3 = 0x165667B19E3779F9ULL,
                        prime4 = 0x85EBCA77C2B2AE63ULL, prime5 = 0x27D4EB2F165667C5ULL;

// Little-endian, whatever the machine; compilers make one load of it.
template <int Bytes>
std::uint64_t load(const unsigned char* p) noexcept {
  std::uint64_t v = 0;
  for (int i = 0; i < Bytes; ++i) v |= std::uint64_t{p[i]} << (8 * i);
  return v;
}

std::uint64_t round(std::uint64_t lane, std::uint64_t input) noexcept {
  return std::rotl(lane + input * prime2, 31) * prime1;
}

std::uint64_t merge(std::uint64_t sum, std::uint64_t lane) noexcept { return (sum ^ round(0, lane)) * prime1 + prime4; }

}  // namespace

std::uint64_t checksum64(std::string_view bytes, std::uint64_t seed) noexcept {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t left = bytes.size();
  std::uint64_t sum = seed + prime5;
  if (left >= 32) {
    std::uint64_t a = seed + prime1 + prime2, b = seed + prime2, c = seed, d = seed - prime1;
    for (; left >= 32; p += 32, left -= 32) {
      a = round(a, load<8>(p));
      b = round(b, load<8>(p + 8));
      c = round(c, load<8>(p + 16));
      d = round(d, load<8>(p + 24));
    }
    sum = std::rotl(a, 1) + std::rotl(b, 7) + std::rotl(c, 12) + std::rotl(d, 18);
    sum = merge(merge(merge(merge(sum, a), b), c), d);
  }
  sum += bytes.size();
  for (; left >= 8; p += 8, left -= 8) sum = std::rotl(sum ^ round(0, load<8>(p)), 27) * prime1 + prime4;
  if (left >= 4) {
    sum = std::rotl(sum ^ (load<4>(p) * prime1), 23) * prime2 + prime3;
    p += 4;
    left -= 4;
  }
  for (; left > 0; ++p, --left) sum = std::rotl(sum ^ (*p * prime5), 11) * prime1;
  sum = (sum ^ (sum >> 33)) * prime2;
  sum = (sum ^ (sum >> 29)) * prime3;
  return sum ^ (sum >> 32);
}

}  // namespace agentflow

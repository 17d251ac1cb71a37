// SPDX-License-Identifier: MIT
// Groups files with much the same text by locality-sensitive hashing of their signatures.
#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

#include "rank.hpp"
#include "terms.hpp"

namespace digest {
namespace {

constexpr std::size_t bands = 16;
constexpr std::size_t rows = 4;
constexpr double threshold = 0.7;
static_assert(bands * rows == std::tuple_size_v<Signature>);

// Sets of numbers that only merge.
class Sets {
 public:
  explicit Sets(std::size_t size) : parent_(size), weakest_(size, 1.0) {
    std::iota(parent_.begin(), parent_.end(), std::size_t{0});
  }
  std::size_t find(std::size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  // Both must be representatives. The smaller number stays one.
  void merge(std::size_t a, std::size_t b, double similarity) {
    if (b < a) std::swap(a, b);
    parent_[b] = a;
    weakest_[a] = std::min({weakest_[a], weakest_[b], similarity});
  }
  double weakest(std::size_t representative) const { return weakest_[representative]; }

 private:
  std::vector<std::size_t> parent_;
  std::vector<double> weakest_;
};

using Band = std::array<std::uint32_t, rows>;

Band band_of(const Signature& signature, std::size_t band) {
  Band key{};
  std::copy_n(signature.begin() + static_cast<std::ptrdiff_t>(band * rows), rows, key.begin());
  return key;
}

}  // namespace

std::vector<DuplicateGroup> find_duplicates(const std::vector<FileReport>& reports) {
  std::vector<const FileReport*> files;
  for (const FileReport& report : reports) {
    if (report.shingles != 0) files.push_back(&report);
  }
  std::sort(files.begin(), files.end(), [](const FileReport* a, const FileReport* b) {
    return std::tie(a->job.display, a->signature) < std::tie(b->job.display, b->signature);
  });

  // Copies are linked first, so that a thousand of them cost no million comparisons; their first one stands for all.
  Sets sets(files.size());
  std::map<Signature, std::size_t> firsts;
  std::vector<std::size_t> distinct;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto [first, is_new] = firsts.emplace(files[i]->signature, i);
    if (is_new) {
      distinct.push_back(i);
    } else {
      sets.merge(sets.find(first->second), i, 1.0);
    }
  }
  for (std::size_t band = 0; band < bands; ++band) {
    std::map<Band, std::vector<std::size_t>> buckets;
    for (const std::size_t i : distinct) buckets[band_of(files[i]->signature, band)].push_back(i);
    for (const auto& [key, bucket] : buckets) {
      for (std::size_t x = 0; x < bucket.size(); ++x) {
        for (std::size_t y = x + 1; y < bucket.size(); ++y) {
          const std::size_t a = sets.find(bucket[x]);
          const std::size_t b = sets.find(bucket[y]);
          if (a == b) continue;
          const double likeness = similarity(files[bucket[x]]->signature, files[bucket[y]]->signature);
          if (likeness >= threshold) sets.merge(a, b, likeness);
        }
      }
    }
  }

  std::map<std::size_t, DuplicateGroup> groups;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::size_t representative = sets.find(i);
    DuplicateGroup& group = groups[representative];
    group.similarity = sets.weakest(representative);
    group.paths.push_back(files[i]->job.display);
  }
  std::vector<DuplicateGroup> out;
  for (auto& [representative, group] : groups) {
    if (group.paths.size() > 1) out.push_back(std::move(group));
  }
  // The groups come by first path, and the sort keeps that among those of one size.
  std::stable_sort(out.begin(), out.end(),
                   [](const DuplicateGroup& a, const DuplicateGroup& b) { return a.paths.size() > b.paths.size(); });
  return out;
}

}  // namespace digest

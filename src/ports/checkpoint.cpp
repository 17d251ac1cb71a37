// SPDX-License-Identifier: MIT
// Checksums and ids of stored records.
#include <agentflow/ports/checkpoint.hpp>

#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include <agentflow/core/checksum.hpp>

namespace agentflow {
namespace {

/// Collects fields so that no two different lists of them give the same bytes.
class Fields {
 public:
  Fields& number(std::uint64_t v) {
    char bytes[8];
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(v >> (8 * i));
    if (!fits(sizeof bytes)) return append({bytes, sizeof bytes});
    std::memcpy(few_ + size_, bytes, sizeof bytes);  // one store
    size_ += sizeof bytes;
    return *this;
  }
  Fields& text(std::string_view v) { return number(v.size()).append(v); }
  std::uint64_t sum() const noexcept { return checksum64(many_.empty() ? std::string_view(few_, size_) : many_); }

 private:
  bool fits(std::size_t bytes) const noexcept { return many_.empty() && bytes <= sizeof few_ - size_; }
  Fields& append(std::string_view v) {
    if (fits(v.size())) {
      v.copy(few_ + size_, v.size());
      size_ += v.size();
    } else {
      if (many_.empty()) many_.assign(few_, size_);
      many_ += v;
    }
    return *this;
  }

  char few_[500];  // nearly always enough
  std::size_t size_ = 0;
  std::string many_;
};

std::uint64_t micros(std::chrono::system_clock::time_point t) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(t.time_since_epoch()).count());
}

}  // namespace

std::string_view to_string(checkpoint_kind kind) noexcept {
  switch (kind) {
    case checkpoint_kind::input: return "input";
    case checkpoint_kind::step: return "step";
    case checkpoint_kind::update: return "update";
    case checkpoint_kind::fork: return "fork";
  }
  return "unknown";
}

std::string_view to_string(stored_status status) noexcept {
  switch (status) {
    case stored_status::running: return "running";
    case stored_status::completed: return "completed";
    case stored_status::interrupted: return "interrupted";
    case stored_status::stopped: return "stopped";
    case stored_status::drained: return "drained";
    case stored_status::failed: return "failed";
  }
  return "unknown";
}

std::string_view to_string(pending_kind kind) noexcept {
  switch (kind) {
    case pending_kind::result: return "result";
    case pending_kind::error: return "error";
    case pending_kind::interrupt: return "interrupt";
    case pending_kind::answer: return "answer";
    case pending_kind::once: return "once";
  }
  return "unknown";
}

std::uint64_t CheckpointRecord::compute_sum() const {
  Fields f;
  f.text(thread).text(ns).number(seq).number(parent.seq).number(parent.sum);
  f.number(static_cast<std::uint64_t>(kind)).number(static_cast<std::uint64_t>(status)).number(step);
  f.text(run.is_nil() ? std::string() : run.to_string()).number(micros(created_at)).number(fingerprint).number(format);
  f.text(metadata).number(epoch).number(body_sum).number(snapshot ? 1 : 0).number(snapshot_sum);
  return f.sum();
}

void CheckpointRecord::seal() {
  created_at = std::chrono::time_point_cast<std::chrono::microseconds>(created_at);
  body_sum = checksum64(body);
  snapshot_sum = snapshot ? checksum64(*snapshot) : 0;
  sum = compute_sum();
}

bool CheckpointRecord::whole(bool bytes) const {
  if (bytes && (body_sum != checksum64(body) || snapshot_sum != (snapshot ? checksum64(*snapshot) : 0))) return false;
  return sum == compute_sum();
}

std::string CheckpointRecord::id() const {
  return ns.empty() ? fmt::format("{}-{:016x}", seq, sum) : fmt::format("{}:{}-{:016x}", ns, seq, sum);
}

std::optional<CheckpointId> parse_checkpoint_id(std::string_view text) {
  const auto colon = text.rfind(':');
  std::string ns(colon == std::string_view::npos ? std::string_view() : text.substr(0, colon));
  if (colon != std::string_view::npos) text.remove_prefix(colon + 1);
  if (colon != std::string_view::npos && ns.empty()) return std::nullopt;
  const auto dash = text.find('-');
  if (dash == std::string_view::npos || text.size() != dash + 17 || text[0] == '0') return std::nullopt;
  CheckpointRef ref;
  const char* end = text.data() + text.size();
  const auto seq = std::from_chars(text.data(), text.data() + dash, ref.seq);
  const auto sum = std::from_chars(text.data() + dash + 1, end, ref.sum, 16);
  if (seq.ec != std::errc() || seq.ptr != text.data() + dash || sum.ec != std::errc() || sum.ptr != end)
    return std::nullopt;
  if (fmt::format("{:016x}", ref.sum) != text.substr(dash + 1)) return std::nullopt;  // capitals
  return CheckpointId(std::move(ns), ref);
}

std::uint64_t PendingWrite::compute_sum() const {
  Fields f;
  f.text(thread).text(ns).number(seq).text(key).number(static_cast<std::uint64_t>(kind)).number(checksum64(bytes));
  f.number(bytes.size());
  return f.sum();
}
void PendingWrite::seal() { sum = compute_sum(); }
bool PendingWrite::whole() const { return sum == compute_sum(); }

}  // namespace agentflow

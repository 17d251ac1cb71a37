// SPDX-License-Identifier: MIT
// What every store has in common.
#include <agentflow/ports/store.hpp>

#include <algorithm>
#include <cmath>
#include <tuple>

#include <fmt/format.h>

#include <agentflow/core/error.hpp>
#include <agentflow/core/json.hpp>

#include "ports/limits.hpp"

namespace agentflow {
namespace {

constexpr std::size_t max_labels = 32, max_label_bytes = 255, max_ns_bytes = 1024;
constexpr std::size_t max_value_bytes = std::size_t{16} << 20;
constexpr std::size_t max_dimensions = 65'536;
constexpr char label_end = '\x1f';

[[noreturn]] void refuse(const std::string& why) { throw config_error(errc::bad_config, why); }

void check_namespace(const StoreNamespace& ns, bool prefix) {
  if (ns.empty() && !prefix) refuse("an item needs a namespace of at least one name");
  if (ns.size() > max_labels) refuse(fmt::format("a namespace has at most {} names, not {}", max_labels, ns.size()));
  std::size_t bytes = 0;
  for (const auto& label : ns) {
    detail::check_name(label, "a name of a namespace", 1, max_label_bytes);
    bytes += label.size() + 1;
  }
  if (bytes > max_ns_bytes) refuse(fmt::format("a namespace has at most {} bytes, not {}", max_ns_bytes, bytes));
}

void check_key(const std::string& key) { detail::check_name(key, "the key of an item", 1, detail::max_key_bytes); }

void check_vector(const std::vector<float>& v, const Store& store) {
  if (v.empty()) return;
  if (!store.has_vectors()) refuse("this store has no search by vectors");
  if (v.size() > max_dimensions)
    refuse(fmt::format("an embedding has at most {} numbers, not {}", max_dimensions, v.size()));
  if (!std::all_of(v.begin(), v.end(), [](float x) { return std::isfinite(x); }))
    refuse("an embedding must hold finite numbers");
  if (std::all_of(v.begin(), v.end(), [](float x) { return x == 0; })) refuse("an embedding must not be all zeros");
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double dot = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    dot += double{a[i]} * double{b[i]};
    aa += double{a[i]} * double{a[i]};
    bb += double{b[i]} * double{b[i]};
  }
  return dot / std::sqrt(aa * bb);
}

}  // namespace

Store::~Store() = default;

StoreQuery& StoreQuery::where(std::string member, JsonValue equals) {
  where_.emplace_back(std::move(member), std::move(equals));
  return *this;
}
StoreQuery& StoreQuery::near(std::vector<float> vector) {
  near_ = std::move(vector);
  return *this;
}
StoreQuery& StoreQuery::limit(std::size_t count) {
  limit_ = count;
  return *this;
}
StoreQuery& StoreQuery::offset(std::size_t count) {
  offset_ = count;
  return *this;
}

bool StoreQuery::matches(const JsonValue& value) const {
  const auto& document = value.get();
  return std::all_of(where_.begin(), where_.end(), [&](const auto& wanted) {
    if (!document.is_object()) return false;
    const auto found = document.find(wanted.first);
    return found != document.end() && *found == wanted.second.get();
  });
}

std::vector<StoreItem> StoreQuery::page(std::vector<StoreItem> candidates) const {
  if (!near_.empty()) {
    std::erase_if(candidates, [&](const StoreItem& i) { return i.embedding.size() != near_.size(); });
    for (StoreItem& i : candidates) i.score = cosine(i.embedding, near_);
  }
  std::sort(candidates.begin(), candidates.end(), [](const StoreItem& a, const StoreItem& b) {
    return a.score != b.score ? a.score > b.score : std::tie(a.ns, a.key) < std::tie(b.ns, b.key);
  });
  const auto first = std::min(offset_, candidates.size());
  const auto count = std::min(limit_, candidates.size() - first);
  candidates.erase(candidates.begin() + static_cast<std::ptrdiff_t>(first + count), candidates.end());
  candidates.erase(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(first));
  return candidates;
}

std::string encode_namespace(const StoreNamespace& ns) {
  std::string out;
  for (const auto& label : ns) (out += label) += label_end;  // smaller than any byte of a name
  return out;
}

StoreNamespace decode_namespace(const std::string& text) {
  StoreNamespace ns;
  for (std::size_t at = 0, end; (end = text.find(label_end, at)) != std::string::npos; at = end + 1)
    ns.push_back(text.substr(at, end - at));
  return ns;
}

asio::awaitable<std::optional<StoreItem>> Store::get(StoreNamespace ns, std::string key) {
  check_namespace(ns, false);
  check_key(key);
  return do_get(std::move(ns), std::move(key));
}

asio::awaitable<bool> Store::put(StoreNamespace ns, std::string key, JsonValue value, PutOptions options) {
  check_namespace(ns, false);
  check_key(key);
  check_vector(options.embedding(), *this);
  if (options.ttl() && *options.ttl() < std::chrono::microseconds(1))
    refuse("the ttl of an item must be at least a microsecond; to forget it now, erase it");
  const auto bytes = value.dump().size();
  if (bytes > max_value_bytes)
    refuse(fmt::format("a value has at most {} bytes as text, not {}", max_value_bytes, bytes));
  return do_put(std::move(ns), std::move(key), std::move(value), std::move(options));
}

asio::awaitable<bool> Store::erase(StoreNamespace ns, std::string key) {
  check_namespace(ns, false);
  check_key(key);
  return do_erase(std::move(ns), std::move(key));
}

asio::awaitable<std::vector<StoreItem>> Store::search(StoreQuery query) {
  check_namespace(query.prefix(), true);
  check_vector(query.near(), *this);
  if (query.limit() == 0) refuse("the limit of a search must be at least 1");
  return do_search(std::move(query));
}

asio::awaitable<std::vector<StoreNamespace>> Store::namespaces(NamespaceQuery query) {
  check_namespace(query.prefix, true);
  if (query.limit == 0) refuse("the limit of a list of namespaces must be at least 1");
  return do_namespaces(std::move(query));
}

asio::awaitable<std::size_t> Store::sweep() { return do_sweep(); }
asio::awaitable<void> Store::flush() { return do_flush(); }
asio::awaitable<void> Store::do_flush() { co_return; }

}  // namespace agentflow

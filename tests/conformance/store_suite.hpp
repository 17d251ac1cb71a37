// SPDX-License-Identifier: MIT
// The behaviour that every store has. For a store of your own, write
//
//   TEST_CASE("MyStore conforms") {
//     agentflow::conformance::StoreFactory factory;
//     factory.fresh = [](auto clock) { return std::make_shared<MyStore>(..., clock); };   // on empty storage
//     factory.reopen = [](auto clock) { return std::make_shared<MyStore>(..., clock); };  // again; or leave it out
//     agentflow::conformance::store_suite(factory);
//   }
//
// and include Catch2 (2.13 or 3) before this file.
#pragma once

#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <agentflow/core/error.hpp>
#include <agentflow/core/json.hpp>
#include <agentflow/ports/store.hpp>
#include <agentflow/ports/sync_store.hpp>
#include <agentflow/testing/virtual_time.hpp>

namespace agentflow::conformance {

class StoreFactory {
 public:
  StoreFactory() = default;
  using Make = std::function<std::shared_ptr<Store>(std::shared_ptr<Clock>)>;
  Make fresh;   ///< On empty storage.
  Make reopen;  ///< Another object on the storage of the one that `fresh` made last; empty if there is no such thing.
  std::size_t random_operations = 10'000;
};

template <class F>
std::optional<errc> store_code_of(F&& call) {
  try {
    call();
  } catch (const error& e) {
    UNSCOPED_INFO(e.what());
    return e.code();
  }
  return std::nullopt;
}

inline JsonValue json_of(const std::string& text) { return JsonValue::parse(text); }

inline std::string keys_of(const std::vector<StoreItem>& items) {
  std::string out;
  for (const auto& i : items) {
    for (const auto& label : i.ns) out += label + "/";
    out += i.key + " ";
  }
  return out;
}

inline std::string names_of(const std::vector<StoreNamespace>& all) {
  std::string out;
  for (const auto& ns : all) {
    for (const auto& label : ns) out += label + "/";
    out += " ";
  }
  return out;
}

inline void suite_items(const StoreFactory& factory) {
  const auto clock = std::make_shared<testing::VirtualClock>();
  const SyncStore store(factory.fresh(clock));
  const StoreNamespace notes = {"users", "alice", "notes"};
  SECTION("an item comes back as it was put") {
    CHECK_FALSE(store.get(notes, "k"));
    CHECK(store.put(notes, "k", json_of(R"({"text":"h\u00e4\u0000","n":1.5,"list":[null,true]})")));
    const auto item = store.get(notes, "k");
    REQUIRE(item);
    CHECK(item->ns == notes);
    CHECK(item->key == "k");
    CHECK(item->value == json_of(R"({"text":"h\u00e4\u0000","n":1.5,"list":[null,true]})"));
    CHECK(item->created_at == clock->wall_now());
    CHECK(item->updated_at == item->created_at);
    CHECK_FALSE(item->expires_at);
    CHECK(item->embedding.empty());
    CHECK_FALSE(store.get({"users", "alice"}, "k"));
    CHECK_FALSE(store.get(notes, "K"));
  }
  SECTION("a second put replaces, and remembers when the first was") {
    const auto first = clock->wall_now();
    CHECK(store.put(notes, "k", json_of("1"), PutOptions().embedding({1, 2})));
    clock->advance(std::chrono::seconds(5));
    CHECK_FALSE(store.put(notes, "k", json_of("[2]")));
    const auto item = store.get(notes, "k");
    CHECK(item->value == json_of("[2]"));
    CHECK(item->created_at == first);
    CHECK(item->updated_at == first + std::chrono::seconds(5));
    CHECK(item->embedding.empty());
  }
  SECTION("erase forgets one item") {
    store.put(notes, "a", json_of("1"));
    store.put(notes, "b", json_of("2"));
    CHECK(store.erase(notes, "a"));
    CHECK_FALSE(store.erase(notes, "a"));
    CHECK_FALSE(store.get(notes, "a"));
    CHECK(store.get(notes, "b"));
  }
  SECTION("names may hold anything but control characters") {
    const std::string odd[] = {"%", "_", "'; DROP TABLE items; --", "a.b", "/", "\xf0\x9f\x98\x80", " ", "\\", "\""};
    for (const auto& name : odd) CHECK(store.put({name}, name, json_of("1")));
    for (const auto& name : odd) {
      CHECK(store.get({name}, name));
      CHECK(store.search(StoreQuery({name})).size() == 1);
    }
    const auto refused = [&](StoreNamespace ns, std::string key) {
      return store_code_of([&] { store.put(ns, key, json_of("1")); }) == errc::bad_config;
    };
    CHECK(refused({}, "k"));
    CHECK(refused({""}, "k"));
    CHECK(refused({"a", "b\n"}, "k"));
    CHECK(refused({"a"}, ""));
    CHECK(refused({"a"}, std::string(1025, 'k')));
    CHECK(refused({std::string(256, 'n')}, "k"));
    CHECK(refused(StoreNamespace(33, "n"), "k"));
    CHECK(refused({"\xff"}, "k"));
    CHECK(store_code_of([&] { store.put({"a"}, "k", json_of("1"), PutOptions().ttl(std::chrono::nanoseconds(0))); }) ==
          errc::bad_config);
    CHECK(store_code_of([&] { store.search(StoreQuery().limit(0)); }) == errc::bad_config);
  }
  SECTION("what has expired is not there") {
    using std::chrono::seconds;
    store.put(notes, "short", json_of("1"), PutOptions().ttl(seconds(10)));
    store.put(notes, "long", json_of("1"), PutOptions().ttl(seconds(20)));
    store.put({"gone"}, "k", json_of("1"), PutOptions().ttl(seconds(10)));
    CHECK(store.get(notes, "short")->expires_at == clock->wall_now() + seconds(10));
    clock->advance(seconds(10) - std::chrono::microseconds(1));
    CHECK(store.get(notes, "short"));
    clock->advance(std::chrono::microseconds(1));
    CHECK_FALSE(store.get(notes, "short"));
    CHECK(keys_of(store.search(StoreQuery())) == "users/alice/notes/long ");
    CHECK(names_of(store.namespaces()) == "users/alice/notes/ ");
    CHECK_FALSE(store.erase(notes, "short"));
    CHECK(store.put(notes, "short", json_of("2")));  // new again
    CHECK(store.get(notes, "short")->created_at == clock->wall_now());
    CHECK_FALSE(store.put(notes, "long", json_of("2"), PutOptions().ttl(seconds(100))));
    clock->advance(seconds(50));
    CHECK(store.get(notes, "long"));
    CHECK(store.sweep() == 1);
    CHECK(store.sweep() == 0);
    CHECK(store.get(notes, "short"));
  }
}

inline void suite_search(const StoreFactory& factory) {
  const auto clock = std::make_shared<testing::VirtualClock>();
  const SyncStore store(factory.fresh(clock));
  store.put({"a"}, "2", json_of(R"({"kind":"x","n":1})"));
  store.put({"a"}, "1", json_of(R"({"kind":"y","n":1.0})"));
  store.put({"a", "b"}, "3", json_of(R"({"kind":"x","deep":{"er":[1]}})"));
  store.put({"a", "b", "c"}, "4", json_of("[1]"));
  store.put({"ab"}, "5", json_of(R"("text")"));
  store.put({"b"}, "6", json_of(R"({"kind":null})"));
  SECTION("by prefix, in order") {
    CHECK(keys_of(store.search(StoreQuery())) == "a/1 a/2 a/b/3 a/b/c/4 ab/5 b/6 ");
    CHECK(keys_of(store.search(StoreQuery({"a"}))) == "a/1 a/2 a/b/3 a/b/c/4 ");
    CHECK(keys_of(store.search(StoreQuery({"a", "b"}))) == "a/b/3 a/b/c/4 ");
    CHECK(keys_of(store.search(StoreQuery({"z"}))).empty());
  }
  SECTION("by members") {
    CHECK(keys_of(store.search(StoreQuery().where("kind", json_of(R"("x")")))) == "a/2 a/b/3 ");
    CHECK(keys_of(store.search(StoreQuery().where("n", json_of("1")))) == "a/1 a/2 ");
    CHECK(keys_of(store.search(StoreQuery().where("n", json_of("1")).where("kind", json_of(R"("y")")))) == "a/1 ");
    CHECK(keys_of(store.search(StoreQuery().where("deep", json_of(R"({"er":[1]})")))) == "a/b/3 ");
    CHECK(keys_of(store.search(StoreQuery().where("kind", json_of("null")))) == "b/6 ");
    CHECK(keys_of(store.search(StoreQuery().where("none", json_of("null")))).empty());
  }
  SECTION("in pages") {
    CHECK(keys_of(store.search(StoreQuery().limit(2))) == "a/1 a/2 ");
    CHECK(keys_of(store.search(StoreQuery().limit(2).offset(4))) == "ab/5 b/6 ");
    CHECK(keys_of(store.search(StoreQuery().limit(2).offset(5))) == "b/6 ");
    CHECK(keys_of(store.search(StoreQuery().offset(6))).empty());
    CHECK(keys_of(store.search(StoreQuery().offset(5).limit(std::numeric_limits<std::size_t>::max()))) == "b/6 ");
    CHECK(keys_of(store.search(StoreQuery().where("kind", json_of(R"("x")")).offset(1))) == "a/b/3 ");
  }
  SECTION("namespaces") {
    CHECK(names_of(store.namespaces()) == "a/ a/b/ a/b/c/ ab/ b/ ");
    NamespaceQuery q;
    q.max_depth = 1;
    CHECK(names_of(store.namespaces(q)) == "a/ ab/ b/ ");
    q.max_depth = 2;
    q.prefix = {"a"};
    CHECK(names_of(store.namespaces(q)) == "a/ a/b/ ");
    q.limit = 1;
    q.offset = 1;
    CHECK(names_of(store.namespaces(q)) == "a/b/ ");
    q.prefix = {"z"};
    CHECK(store.namespaces(q).empty());
  }
  SECTION("by likeness") {
    if (!store.async()->has_vectors()) {
      CHECK(store_code_of([&] { store.search(StoreQuery().near({1, 0})); }) == errc::bad_config);
      CHECK(store_code_of([&] { store.put({"v"}, "k", json_of("1"), PutOptions().embedding({1})); }) ==
            errc::bad_config);
      return;
    }
    const auto put = [&](const char* key, std::vector<float> v) {
      store.put({"v"}, key, json_of(R"({"v":1})"), PutOptions().embedding(std::move(v)));
    };
    put("east", {1, 0});
    put("north", {0, 2});
    put("north-east", {3, 3});
    put("west", {-1, 0});
    put("other length", {1, 0, 0});
    const auto found = store.search(StoreQuery().near({5, 1}));
    CHECK(keys_of(found) == "v/east v/north-east v/north v/west ");
    CHECK(found[0].score == Approx(5 / std::sqrt(26.0)));
    CHECK(found[3].score == Approx(-5 / std::sqrt(26.0)));
    CHECK(found[2].embedding == std::vector<float>{0, 2});
    CHECK(keys_of(store.search(StoreQuery({"v"}).near({0, 1}).limit(1).offset(1))) == "v/north-east ");
    CHECK(keys_of(store.search(StoreQuery({"a"}).near({0, 1}))).empty());
    CHECK(keys_of(store.search(StoreQuery().near({0, 1}).where("v", json_of("2")))).empty());
    const float nan = std::numeric_limits<float>::quiet_NaN();
    CHECK(store_code_of([&] { store.search(StoreQuery().near({nan})); }) == errc::bad_config);
    CHECK(store_code_of([&] { store.search(StoreQuery().near({0, 0})); }) == errc::bad_config);
  }
}

/// Random calls, compared with a plain map.
inline void suite_random_items(const StoreFactory& factory) {
  const auto clock = std::make_shared<testing::VirtualClock>();
  const SyncStore store(factory.fresh(clock));
  const auto seed = static_cast<std::uint32_t>(Catch::rngSeed() != 0 ? Catch::rngSeed() : 20'240'602);
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  struct Entry {
    std::string value;
    std::optional<std::chrono::system_clock::time_point> expires_at;
  };
  std::map<std::pair<StoreNamespace, std::string>, Entry> model;
  const auto alive = [&](const Entry& e) { return !e.expires_at || *e.expires_at > clock->wall_now(); };
  const auto place = [&] {
    StoreNamespace ns;
    for (std::size_t n = 1 + below(3); n > 0; --n) ns.push_back(std::string(1, static_cast<char>('a' + below(3))));
    return std::pair(ns, std::string(1, static_cast<char>('k' + below(4))));
  };
  for (std::size_t i = 0; i < factory.random_operations; ++i) {
    INFO("operation " << i);
    const auto at = place();
    const auto found = model.find(at);
    const bool present = found != model.end() && alive(found->second);
    switch (below(8)) {
      case 0:
      case 1:
      case 2: {
        Entry e;
        e.value = std::to_string(below(5));
        PutOptions options;
        if (below(3) == 0) {
          options.ttl(std::chrono::seconds(1 + below(20)));
          e.expires_at = clock->wall_now() + *options.ttl();
        }
        REQUIRE(store.put(at.first, at.second, json_of("{\"v\":" + e.value + "}"), options) == !present);
        model[at] = e;
        break;
      }
      case 3: {
        const auto item = store.get(at.first, at.second);
        REQUIRE(item.has_value() == present);
        if (item) REQUIRE(item->value == json_of("{\"v\":" + found->second.value + "}"));
        break;
      }
      case 4:
        REQUIRE(store.erase(at.first, at.second) == present);
        model.erase(at);
        break;
      case 5: {
        const std::string v = std::to_string(below(5));
        StoreQuery q(below(3) == 0 ? StoreNamespace() : at.first);
        q.where("v", json_of(v)).limit(1 + below(5)).offset(below(3));
        std::vector<std::string> expected;
        for (const auto& [key, e] : model) {
          const bool under = key.first.size() >= q.prefix().size() &&
                             std::equal(q.prefix().begin(), q.prefix().end(), key.first.begin());
          if (under && alive(e) && e.value == v) expected.push_back(key.second);
        }
        const auto items = store.search(q);
        const std::size_t first = std::min(q.offset(), expected.size());
        REQUIRE(items.size() == std::min(q.limit(), expected.size() - first));
        for (std::size_t n = 0; n < items.size(); ++n) REQUIRE(items[n].key == expected[first + n]);
        break;
      }
      case 6: {
        std::vector<StoreNamespace> expected;
        for (const auto& [key, e] : model)
          if (alive(e) && (expected.empty() || expected.back() != key.first)) expected.push_back(key.first);
        REQUIRE(store.namespaces() == expected);
        break;
      }
      default:
        clock->advance(std::chrono::seconds(below(3)));
        if (below(10) == 0)
          REQUIRE(store.sweep() == std::erase_if(model, [&](const auto& entry) { return !alive(entry.second); }));
    }
  }
  CHECK_FALSE(model.empty());
}

inline void suite_store_threads(const StoreFactory& factory) {
  const SyncStore store(factory.fresh(nullptr));
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      try {
        for (int i = 0; i < 50; ++i) {
          store.put({"shared"}, std::to_string(i), json_of(std::to_string(t)));
          if (!store.get({"shared"}, std::to_string(i))) ++failed;
        }
      } catch (...) {
        ++failed;
      }
    });
  for (auto& t : threads) t.join();
  CHECK(failed == 0);
  CHECK(store.search(StoreQuery().limit(100)).size() == 50);
}

/// All of it, as sections of the test case that calls it.
inline void store_suite(const StoreFactory& factory) {
  SECTION("items") { suite_items(factory); }
  SECTION("search") { suite_search(factory); }
  SECTION("random operations") { suite_random_items(factory); }
  SECTION("threads") { suite_store_threads(factory); }
  if (factory.reopen) SECTION("everything is there after closing and opening again") {
      const auto clock = std::make_shared<testing::VirtualClock>();
      SyncStore(factory.fresh(clock)).put({"a"}, "k", json_of("1"), PutOptions().ttl(std::chrono::hours(1)));
      const SyncStore again(factory.reopen(clock));
      CHECK(again.get({"a"}, "k")->value == json_of("1"));
      clock->advance(std::chrono::hours(1));
      CHECK_FALSE(again.get({"a"}, "k"));
    }
}

}  // namespace agentflow::conformance

// SPDX-License-Identifier: MIT
// Counts live objects, so that tests see what was not destroyed even where it is still reachable.
#pragma once

#include <atomic>

/// A member of values and callables whose number is watched.
class Alive {
 public:
  Alive() noexcept { ++counter(); }
  Alive(const Alive&) noexcept { ++counter(); }
  Alive& operator=(const Alive&) noexcept = default;
  ~Alive() { --counter(); }
  bool operator==(const Alive&) const noexcept { return true; }

  static long count() noexcept { return counter().load(); }

 private:
  static std::atomic<long>& counter() noexcept {
    static std::atomic<long> live{0};
    return live;
  }
};

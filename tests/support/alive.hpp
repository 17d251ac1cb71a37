// SPDX-License-Identifier: MIT
// Counts live objects, so that tests see what was not destroyed even where it is still reachable.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

/// A member of values and callables whose number is watched.
class Alive {
 public:
  Alive() noexcept { ++counter(); }
  Alive(const Alive&) noexcept { ++counter(); }
  Alive& operator=(const Alive&) noexcept = default;
  ~Alive() { --counter(); }
  bool operator==(const Alive&) const noexcept { return true; }

  static long count() noexcept { return counter().load(); }
  /// Waits until so many are left: other threads may need a moment to let go of what they ran. Gives how many there
  /// are.
  static long settled(long expected) noexcept {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (count() != expected && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    return count();
  }

 private:
  static std::atomic<long>& counter() noexcept {
    static std::atomic<long> live{0};
    return live;
  }
};

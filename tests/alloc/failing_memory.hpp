// SPDX-License-Identifier: MIT
// Makes allocations of this program fail. Only for a program with alloc/failing_memory.cpp in it, which replaces
// operator new.
#pragma once

#include <cstdint>

/// While one of these lives, the k-th allocation from its construction on fails, on whatever thread, and the `more`
/// that follow it. Spared are two places where Asio 1.22 itself does not survive it: the start of an operation that is
/// awaited, which is noexcept (asio/impl/awaitable.hpp, await_suspend), and the making of a strand, which destroys what
/// it has not yet initialised (asio/detail/impl/strand_executor_service.ipp, create_implementation).
class FailingMemory {
 public:
  /// Asio takes the memory of its handlers with aligned_alloc, which fails only where this is asked for, and on this
  /// thread: by far not all of Asio 1.22 survives it.
  enum class Of { operator_new, asio_too };
  FailingMemory(std::uint64_t k, std::uint64_t more, Of of = Of::operator_new) noexcept;
  FailingMemory(const FailingMemory&) = delete;
  FailingMemory& operator=(const FailingMemory&) = delete;
  ~FailingMemory() { stop(); }

  /// Ends it, and gives how many allocations there were.
  std::uint64_t stop() noexcept;
  /// How many failed.
  std::uint64_t failed() const noexcept;

  /// Counts an allocation of another kind, and tells whether it is to fail.
  static bool next_fails() noexcept;

  /// Blocks of memory in use, and failures that were spared, since the program began.
  static std::int64_t blocks() noexcept;
  static std::uint64_t spared() noexcept;
};

/// While one of these lives, allocations of its thread neither fail nor count: for what a test itself does meanwhile.
class Unfailing {
 public:
  Unfailing() noexcept;
  Unfailing(const Unfailing&) = delete;
  Unfailing& operator=(const Unfailing&) = delete;
  ~Unfailing();
};

// SPDX-License-Identifier: MIT
// Counts calls of the heap by taking the place of glibc's malloc and its kin. Replacing operator new would not do: Asio
// allocates its handlers and coroutine frames by aligned_alloc.
#include "bench.hpp"

#include <malloc.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BENCH_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BENCH_SANITIZED
#endif
#if defined(__GLIBC__) && !defined(BENCH_SANITIZED)
#define BENCH_COUNTS
#endif

namespace bench {
namespace {

constinit thread_local HeapCount count;
constinit thread_local std::int64_t live = 0;
constinit thread_local bool tracking = false;

// What a block takes: its usable size and the word before it.
#ifdef BENCH_COUNTS
std::int64_t size_of(void* p) noexcept { return static_cast<std::int64_t>(::malloc_usable_size(p) + sizeof(void*)); }

void* taken(void* p, std::size_t bytes) noexcept {
  ++count.calls;
  count.bytes += bytes;
  if (tracking && p != nullptr) live += size_of(p);
  return p;
}

void given(void* p) noexcept {
  if (tracking && p != nullptr) live -= size_of(p);
}
#endif

}  // namespace

HeapCount heap_count() noexcept { return count; }

bool heap_is_counted() noexcept {
#ifdef BENCH_COUNTS
  return true;
#else
  return false;
#endif
}

void track_live_bytes(bool on) noexcept {
  tracking = on;
  live = 0;
}
std::int64_t live_bytes() noexcept { return live; }

std::int64_t fresh_resident_bytes() {
  ::malloc_trim(0);
  if (std::FILE* f = std::fopen("/proc/self/clear_refs", "w"); f != nullptr) {
    std::fputs("5", f);  // resets VmHWM
    std::fclose(f);
  }
  return peak_resident_bytes();
}

std::int64_t peak_resident_bytes() {
  long long kilobytes = 0;
  if (std::FILE* f = std::fopen("/proc/self/status", "r"); f != nullptr) {
    char line[256];
    while (std::fgets(line, sizeof line, f) != nullptr)
      if (std::sscanf(line, "VmHWM: %lld kB", &kilobytes) == 1) break;
    std::fclose(f);
  }
  return kilobytes * 1024;
}

}  // namespace bench

#ifdef BENCH_COUNTS
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t n) noexcept { return bench::taken(__libc_malloc(n), n); }
void* calloc(std::size_t n, std::size_t size) noexcept { return bench::taken(__libc_calloc(n, size), n * size); }
void* realloc(void* p, std::size_t n) noexcept {
  bench::given(p);
  return bench::taken(__libc_realloc(p, n), n);
}
void* memalign(std::size_t alignment, std::size_t n) noexcept { return bench::taken(__libc_memalign(alignment, n), n); }
void* aligned_alloc(std::size_t alignment, std::size_t n) noexcept {
  return bench::taken(__libc_memalign(alignment, n), n);
}
int posix_memalign(void** p, std::size_t alignment, std::size_t n) noexcept {
  *p = bench::taken(__libc_memalign(alignment, n), n);
  return *p != nullptr ? 0 : ENOMEM;
}
void free(void* p) noexcept {
  bench::given(p);
  __libc_free(p);
}
}
#endif

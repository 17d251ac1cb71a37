// SPDX-License-Identifier: MIT
// operator new that fails on demand, and counts.
#include "alloc/failing_memory.hpp"

#include <elf.h>
#include <unwind.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

extern "C" const char __ehdr_start;  // of this program, as the linker defines it

namespace {

constexpr std::uint64_t never = std::uint64_t{1} << 62;
std::atomic<std::uint64_t> count{0}, first{never}, last{never}, failures{0}, spared_failures{0};
std::atomic<std::int64_t> in_use{0};
thread_local bool asio_too = false;
thread_local int unfailing = 0;

/// The functions of this program by their addresses: the symbol table of its file, which the linker's dynamic one is
/// but a part of.
class Functions {
 public:
  Functions() {
    std::ifstream file("/proc/self/exe", std::ios::binary | std::ios::ate);
    bytes_.resize(static_cast<std::size_t>(file.tellg()));
    file.seekg(0).read(bytes_.data(), static_cast<std::streamsize>(bytes_.size()));
    const auto header = at<Elf64_Ehdr>(0);
    for (std::size_t i = 0; i < header.e_shnum; ++i) {
      const auto section = at<Elf64_Shdr>(header.e_shoff + i * sizeof(Elf64_Shdr));
      if (section.sh_type != SHT_SYMTAB) continue;
      const auto names = at<Elf64_Shdr>(header.e_shoff + section.sh_link * sizeof(Elf64_Shdr)).sh_offset;
      const auto base = header.e_type == ET_DYN ? reinterpret_cast<std::uintptr_t>(&__ehdr_start) : 0;
      for (std::size_t s = 0; s < section.sh_size; s += sizeof(Elf64_Sym)) {
        const auto symbol = at<Elf64_Sym>(section.sh_offset + s);
        if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC)
          names_.emplace_back(base + symbol.st_value, bytes_.data() + names + symbol.st_name);
      }
    }
    std::sort(names_.begin(), names_.end());
  }
  std::string_view name(const void* function) const {
    const auto address = reinterpret_cast<std::uintptr_t>(function);
    const auto i = std::lower_bound(names_.begin(), names_.end(), std::pair(address, ""));
    return i != names_.end() && i->first == address ? i->second : "";
  }

 private:
  template <class T>
  T at(std::size_t offset) const {
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }
  std::vector<char> bytes_;
  std::vector<std::pair<std::uintptr_t, const char*>> names_;
};
const Functions& functions() {
  static const Functions all;
  return all;
}

/// Whether the innermost function that is either the library's or one of those that must not fail is one of those.
bool is_spared() noexcept {
  auto look = [](_Unwind_Context* frame, void* found) {
    const auto ip = reinterpret_cast<void*>(_Unwind_GetIP(frame));
    const auto name = functions().name(_Unwind_FindEnclosingFunction(ip));
    if (name.starts_with("_ZN9agentflow") || name.starts_with("_ZNK9agentflow")) return _URC_END_OF_STACK;
    const bool starts =
        name.starts_with("_ZZN4asio6detail20awaitable_frame_base") && name.find("await_suspend") != name.npos;
    const bool makes_strand = name == "_ZN4asio6detail23strand_executor_service21create_implementationEv";
    if (!starts && !makes_strand) return _URC_NO_REASON;
    *static_cast<bool*>(found) = true;
    return _URC_END_OF_STACK;
  };
  bool found = false;
  _Unwind_Backtrace(look, &found);
  return found;
}

bool fails() noexcept {
  if (unfailing > 0) return false;
  const auto n = ++count;
  if (n < first || n > last) return false;
  if (is_spared()) {
    ++spared_failures;
    return false;
  }
  ++failures;
  return true;
}

void* aligned(std::size_t alignment, std::size_t size) noexcept {
  void* block = nullptr;
  return ::posix_memalign(&block, std::max(alignment, sizeof(void*)), size) == 0 ? block : nullptr;
}

void* allocate(std::size_t size, std::size_t alignment) {
  if (fails()) throw std::bad_alloc();
  void* const block = alignment == 0 ? std::malloc(std::max<std::size_t>(size, 1)) : aligned(alignment, size);
  if (block == nullptr) throw std::bad_alloc();
  ++in_use;
  return block;
}
void release(void* block) noexcept {
  if (block != nullptr) --in_use;
  std::free(block);
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size, 0); }
void* operator new(std::size_t size, std::align_val_t a) { return allocate(size, static_cast<std::size_t>(a)); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept try {
  return allocate(size, 0);
} catch (const std::bad_alloc&) {
  return nullptr;
}
void operator delete(void* block, const std::nothrow_t&) noexcept { release(block); }
void operator delete(void* block) noexcept { release(block); }
void operator delete(void* block, std::size_t) noexcept { release(block); }
void operator delete(void* block, std::align_val_t) noexcept { release(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { release(block); }

extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return asio_too && fails() ? nullptr : aligned(alignment, size);
}

FailingMemory::FailingMemory(std::uint64_t k, std::uint64_t more, Of of) noexcept {
  functions();
  asio_too = of == Of::asio_too;
  count = 0;
  failures = 0;
  last = k + more;
  first = k;
}
std::uint64_t FailingMemory::stop() noexcept {
  first = never;
  asio_too = false;
  return count;
}
bool FailingMemory::next_fails() noexcept { return fails(); }
std::uint64_t FailingMemory::failed() const noexcept { return failures; }
std::int64_t FailingMemory::blocks() noexcept { return in_use; }
std::uint64_t FailingMemory::spared() noexcept { return spared_failures; }

Unfailing::Unfailing() noexcept { ++unfailing; }
Unfailing::~Unfailing() { --unfailing; }

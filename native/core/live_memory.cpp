#include "core/live_memory.h"

#include <malloc.h>

#include <atomic>

namespace tongueforge {
namespace {

std::atomic<int64_t> blocks{0}, bytes{0};

void count(void* memory, int64_t sign) {
  if (memory == nullptr) return;
  blocks.fetch_add(sign, std::memory_order_relaxed);
  // What the C library set aside, which it also knows when the block goes.
  bytes.fetch_add(sign * static_cast<int64_t>(::malloc_usable_size(memory)), std::memory_order_relaxed);
}

}  // namespace

void count_taken(void* memory) { count(memory, 1); }

void count_freed(void* memory) { count(memory, -1); }

LiveMemory live_memory() {
  return {blocks.load(std::memory_order_relaxed), bytes.load(std::memory_order_relaxed)};
}

}  // namespace tongueforge

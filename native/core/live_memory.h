// Memory of tensors that is in use, counted over the whole process: what a leak shows itself by. All threads
// and all Node environments share libtorch's allocator, so they share these counts too.
#pragma once
#include <cstdint>

namespace tongueforge {

struct LiveMemory {
  int64_t blocks = 0;
  int64_t bytes = 0;
};

/// Counts a block in, by the address that the C library gave for it. nullptr counts nothing.
void count_taken(void* memory);

/// Counts it out again, before it is given back.
void count_freed(void* memory);

/// What is in use now. Other threads may be taking and freeing.
LiveMemory live_memory();

}  // namespace tongueforge

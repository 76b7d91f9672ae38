// Copies into shared memory that the copy engine makes while threads do other things, and the barriers that
// tell of their end (compute capability 9.0). A fence of the memory does not wait for them.
#pragma once
#include <cstdint>

namespace tongueforge::kernels::cuda {

__device__ inline uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

/// Brings `bytes`, a multiple of 16 as the address, into the L2 cache; nobody waits for them.
__device__ inline void prefetch_bulk(const void* from, uint32_t bytes) {
#if __CUDA_ARCH__ >= 900
  if (bytes > 0)
    asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(from), "r"(bytes) : "memory");
#endif
}

/// A barrier in shared memory on which one warp waits for bytes to come, again and again.
struct Arrival {
  uint64_t state;

  /// By one thread; __syncwarp() before others use it.
  __device__ void init() {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(shared_address(&state)) : "memory");
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }

  /// Starts a copy of `bytes`, a multiple of 16 as both addresses; by one thread.
  __device__ void copy(void* to, const void* from, uint32_t bytes) {
    const uint32_t here = shared_address(&state);
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(here), "r"(bytes) : "memory");
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
            shared_address(to)),
        "l"(from), "r"(bytes), "r"(here)
        : "memory");
  }

  /// Until the copies of the round with this parity, 0 for the first, are there.
  __device__ void wait(uint32_t parity) const {
    uint32_t there = 0;
    while (!there)
      asm volatile(
          "{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
          : "=r"(there)
          : "r"(shared_address(&state)), "r"(parity)
          : "memory");
  }
};

}  // namespace tongueforge::kernels::cuda

// Memory that stays with the process between the tensors of training steps. Each step makes and drops the
// same gigabytes, on a thread of its own. Left to malloc they lie in the arenas of several threads, none of
// which gives its pages to another: a model of 15 M parameters took 1.4 GB so, and takes 0.9.
#pragma once
#include <cstdint>

namespace tongueforge::kernels {

/// While one of these lives, blocks of 128 KiB and more that CPU tensors drop are kept for the next ones, in
/// all of libtorch in this process. What is kept and what is in use together never exceed the most that was
/// in use at once, so peak memory is what it would be without. When the last one ends, all that is kept is
/// given back.
class BlockCacheUse {
 public:
  BlockCacheUse();
  ~BlockCacheUse();
  BlockCacheUse(const BlockCacheUse&) = delete;
  BlockCacheUse& operator=(const BlockCacheUse&) = delete;
};

struct BlockCacheBytes {
  int64_t used = 0;  // by tensors that were made while a BlockCacheUse lived
  int64_t kept = 0;
  int64_t peak = 0;  // the most that was used at once since the first of the uses that live
};

BlockCacheBytes block_cache_bytes();

}  // namespace tongueforge::kernels

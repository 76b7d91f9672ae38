// The two factors of an adapter's product in its file, read when they are needed: those of a whole model
// would fill the memory.
#pragma once
#include <cstdint>

#include "checkpoint/safetensors.h"
#include "merge/low_rank_kernel.h"

namespace tongueforge::merge {

struct LowRankSource {
  const checkpoint::SafetensorsFile* file = nullptr;
  const checkpoint::TensorInfo *a = nullptr, *b = nullptr;  // (rank, columns), (rows, rank); BF16, F16 or F32
  double scale = 1;

  explicit operator bool() const { return file != nullptr; }
  uint64_t num_bytes() const { return a->num_bytes() + b->num_bytes(); }
  LowRankFactors read() const;
};

}  // namespace tongueforge::merge

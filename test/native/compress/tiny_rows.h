// Rows of random tokens for tiny decoders: two documents and padding each.
#pragma once
#include "models/model.h"
#include "testing.h"

namespace tongueforge::compress {

inline models::Rows tiny_rows(uint64_t seed, int64_t rows = 3, int64_t padding = 4) {
  const auto generator = at::detail::createCPUGenerator(seed);
  auto segments_BT = at::zeros({rows, 32}, at::kLong);
  segments_BT.slice(1, 13).fill_(1);
  if (padding > 0) segments_BT.slice(1, 32 - padding).fill_(-1);
  return {at::randint(0, 50, {rows, 32}, generator, at::kLong), segments_BT};
}

}  // namespace tongueforge::compress

// A random decoder small enough for any test, with everything that can go wrong: grouped heads, biases, q/k
// norm.
#pragma once
#include <memory>

#include "models/decoder.h"
#include "models/initialise.h"

namespace tongueforge::test {

inline models::DecoderSpec tiny_spec(int64_t window = 0) {
  models::DecoderSpec spec;
  spec.vocab_size = 50;
  spec.hidden_size = 24;
  spec.head_dim = 8;
  spec.max_positions = 64;
  spec.qkv_bias = spec.qk_norm = true;
  for (int layer = 0; layer < 2; layer++) spec.layers.push_back({{4, 2, 40}, window, {}});
  return spec;
}

inline std::shared_ptr<models::Decoder> tiny_decoder(models::DecoderSpec spec = tiny_spec(),
                                                     uint64_t seed = 7) {
  models::InitOptions init;
  init.seed = seed;
  init.embedding_std = 1.0;
  init.matrix_std = 0;  // 1 / sqrt(inputs)
  auto model = std::make_shared<models::Decoder>(std::move(spec));
  models::initialise(*model, init);
  return model;
}

}  // namespace tongueforge::test

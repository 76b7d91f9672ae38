// A random text encoder small enough for any test: biases that are not zero, a head for hidden words.
#pragma once
#include <memory>

#include "kernels/aten.h"
#include "models/initialise.h"
#include "models/text_encoder.h"

namespace tongueforge::test {

inline models::EncoderSpec tiny_encoder_spec() {
  models::EncoderSpec spec;
  spec.head = models::EncoderHead::masked_lm;
  spec.vocab_size = 50;
  spec.hidden_size = 24;
  spec.head_dim = 8;
  spec.max_positions = 32;
  spec.type_vocab_size = 2;
  for (int layer = 0; layer < 2; layer++) spec.layers.push_back({{3, 3, 40}, {}});
  return spec;
}

inline std::shared_ptr<models::TextEncoder> tiny_encoder(models::EncoderSpec spec = tiny_encoder_spec(),
                                                         uint64_t seed = 7) {
  models::InitOptions init;
  init.seed = seed;
  init.embedding_std = 1.0;
  init.matrix_std = 0;  // 1 / sqrt(inputs)
  auto model = std::make_shared<models::TextEncoder>(std::move(spec));
  models::initialise(*model, init);
  auto generator = at::detail::createCPUGenerator(seed + 1);
  for (const auto& parameter : model->parameters())
    if (parameter.kind == models::ParameterKind::bias) parameter.tensor->normal_(0, 0.3, generator);
  return model;
}

}  // namespace tongueforge::test

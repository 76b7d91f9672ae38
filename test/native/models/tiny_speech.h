// Random speech encoders small enough for any test: biases and norms that are heard.
#pragma once
#include <memory>

#include "kernels/aten.h"
#include "models/initialise.h"
#include "models/speech_encoder.h"

namespace tongueforge::test {

/// A MelHuBERT: frames of 6 numbers, 5 clusters.
inline models::SpeechSpec tiny_melhubert_spec() {
  models::SpeechSpec spec;
  spec.frame_width = 6;
  spec.num_clusters = 5;
  spec.hidden_size = 24;
  spec.head_dim = 8;
  spec.position_kernel = 6;
  spec.position_groups = 4;
  for (int layer = 0; layer < 2; layer++) spec.layers.push_back({{3, 3, 40}, {}});
  return spec;
}

/// A HuBERT: three convolutions that make a place of 20 samples.
inline models::SpeechSpec tiny_hubert_spec(nn::SampleNorm norm = nn::SampleNorm::channel) {
  auto spec = tiny_melhubert_spec();
  spec.names = models::SpeechNames::hubert;
  spec.frame_width = 0;
  spec.num_clusters = 0;
  spec.projection_norm = spec.masked_embedding = true;
  const auto later = norm == nn::SampleNorm::channel ? nn::SampleNorm::none : norm;
  spec.convolutions = {{8, 10, 5, false, norm}, {8, 3, 2, false, later}, {8, 2, 2, false, later}};
  return spec;
}

inline std::shared_ptr<models::SpeechEncoder> tiny_speech(models::SpeechSpec spec, uint64_t seed = 7) {
  models::InitOptions init;
  init.seed = seed;
  init.embedding_std = 1.0;
  init.matrix_std = 0;  // 1 / sqrt(inputs)
  auto model = std::make_shared<models::SpeechEncoder>(std::move(spec));
  models::initialise(*model, init);
  auto generator = at::detail::createCPUGenerator(seed + 1);
  for (const auto& parameter : model->parameters()) {
    if (parameter.kind == models::ParameterKind::bias) parameter.tensor->normal_(0, 0.3, generator);
    if (parameter.kind == models::ParameterKind::norm)
      parameter.tensor->mul_(at::empty(parameter.shape).uniform_(0.5, 1.5, generator));
  }
  return model;
}

/// Rows of sounds of so many frames or samples, each of noise.
inline models::Rows noise_rows(const models::SpeechEncoder& model, const std::vector<int64_t>& lengths,
                               uint64_t seed) {
  const auto generator = at::detail::createCPUGenerator(seed);
  const int64_t width = model.spec().frame_width;
  int64_t longest = 0;
  for (const int64_t length : lengths) longest = std::max(longest, model.places(length));
  models::Rows rows = {{}, at::full({static_cast<int64_t>(lengths.size()), longest}, -1, at::kLong)};
  for (size_t row = 0; row < lengths.size(); row++) {
    const auto shape =
        width > 0 ? std::vector<int64_t>{lengths[row], width} : std::vector<int64_t>{lengths[row]};
    rows.sounds.push_back(at::randn(shape, generator));
    rows.segments_BT[static_cast<int64_t>(row)].narrow(0, 0, model.places(lengths[row])).zero_();
  }
  return rows;
}

/// One row of them, without what stands behind its end.
inline models::Rows one_row(const models::Rows& rows, int64_t row) {
  const int64_t places = rows.segments_BT[row].ge(0).sum().item<int64_t>();
  models::Rows one = {{}, at::zeros({1, places}, at::kLong), {rows.sounds[static_cast<size_t>(row)]}};
  if (rows.hidden_BT.defined()) one.hidden_BT = rows.hidden_BT[row].narrow(0, 0, places).unsqueeze(0);
  return one;
}

}  // namespace tongueforge::test

// Sizes and options of a speech encoder, as read from its config.json by the facade.
#pragma once
#include <cstdint>
#include <vector>

#include "models/encoder_layer_spec.h"
#include "nn/activation.h"
#include "nn/sample_convolutions.h"

namespace tongueforge::models {

/// Whose names the tensors have on disk.
enum class SpeechNames { melhubert, hubert, wav2vec2 };

/// One of the convolutions over samples.
struct SampleConvolutionSpec {
  int64_t channels = 0, kernel = 0, stride = 1;
  bool bias = false;
  nn::SampleNorm norm = nn::SampleNorm::none;
};

struct SpeechSpec {
  SpeechNames names = SpeechNames::melhubert;
  bool bare = true;         // saved without the name of the base model before each tensor's
  int64_t frame_width = 0;  // numbers of a frame that is heard; 0: it hears samples, by convolutions
  std::vector<SampleConvolutionSpec> convolutions;
  nn::Activation convolution_activation = nn::Activation::gelu;  // of the positional one too
  bool projection_norm = false;   // the frames are normed before they are projected
  bool masked_embedding = false;  // there is a vector for places that are not heard
  int64_t hidden_size = 0, head_dim = 0;
  int64_t position_kernel = 128, position_groups = 16;
  bool position_weight_norm = true;
  int64_t num_clusters = 0;  // what a place is foretold to be; 0: it has no such head
  double layer_norm_eps = 1e-5;
  nn::Activation activation = nn::Activation::gelu;
  bool norm_first = false;               // norms stand before the parts of a block, and one behind the last
  std::vector<EncoderLayerSpec> layers;  // of the model as it is made
};

}  // namespace tongueforge::models

// From samples of sound to frames: convolutions one after the other, none of which looks beyond the sound
// (wav2vec 2.0, Baevski et al. 2020, arXiv 2006.11477).
// Letters: S samples, T frames, C channels, K places of the kernel.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "core/job.h"
#include "nn/activation.h"
#include "nn/layer_norm.h"

namespace tongueforge::nn {

/// What is brought to mean 0 and variance 1 behind a convolution: each channel over the whole sound, the
/// channels of each frame, or nothing.
enum class SampleNorm { none, channel, frame };

struct SampleConvolution {
  at::Tensor weight, bias;  // (C,C',K) of C' channels before it, (C) or undefined
  int64_t kernel = 1, stride = 1;
  SampleNorm normed = SampleNorm::none;
  LayerNorm norm;  // (C)
};

struct SampleConvolutions {
  std::vector<SampleConvolution> layers;
  Activation activation = Activation::gelu;

  /// Frames that come of so many samples; 0 where they are too few.
  int64_t frames(int64_t samples) const;
  /// (S) -> (T,C). A job is asked before every convolution.
  at::Tensor operator()(const at::Tensor& samples_S, const Job* job) const;
};

}  // namespace tongueforge::nn

// From the samples of an utterance to what a speech model reads: log-mel frames (MelHuBERT), or the samples
// themselves (HuBERT, wav2vec2).
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "audio/filterbank.h"
#include "audio/resample.h"
#include "core/job.h"
#include "core/value.h"

namespace tongueforge::audio {

struct FrontEndOptions {
  int64_t rate = 16000;  // what the model hears in, samples a second
  /// Log-mel frames; absent: samples.
  std::optional<FilterbankOptions> bank{};
  /// Of each bin, over all the data: frames have mean 0 and deviation 1 after them. (bins), or empty: left as
  /// they are.
  std::vector<float> mean{}, deviation{};
  /// Neighbouring frames that make one: 1 or more. Where the last ones are too few, frames of zeros follow.
  int64_t stacked = 1;
  /// Samples: each utterance gets mean 0 and variance 1 (transformers' do_normalize).
  bool normalised = false;
};

/// Frames (n, width) end to end; or samples (n) of width 0.
struct Sound {
  std::vector<float> data;
  int64_t width = 0;
};

/// Of each bin: how often, mean, and the sum of squared distances from it.
struct Moments {
  int64_t count = 0;
  std::vector<double> means, squares;
};

class FrontEnd final : public Object {
 public:
  /// @throws ERR_AUDIO for a filterbank that cannot be, or a mean of another width
  explicit FrontEnd(FrontEndOptions options);

  /// samples (S) at any rate. The same bytes for any number of threads.
  Sound sound(std::span<const float> samples, int64_t rate, Job& job) const;

  /// Over the frames of an utterance, before mean and deviation are applied and frames are stacked. In
  /// double.
  Moments moments(std::span<const float> samples, int64_t rate, Job& job) const;

  int64_t bytes() const override;

 private:
  std::vector<float> at_rate(std::span<const float> samples, int64_t rate, Job& job) const;
  std::vector<float> log_mel(std::span<const float> samples, Job& job) const;

  FrontEndOptions options_;
  std::optional<Filterbank> bank_;
  mutable std::mutex mutex_;  // guards what follows
  mutable int64_t resampled_from_ = 0;
  mutable std::shared_ptr<const Resampler> resampler_;  // for that rate, as files mostly have one
};

}  // namespace tongueforge::audio

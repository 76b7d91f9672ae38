// Another number of samples a second. A band-limited interpolation (Smith & Gossett 1984): each new sample is
// the sum of the old ones around it, weighted by a sinc under a Kaiser window, a low-pass filter for the
// lower of the two rates.
//
// The filter: cut-off at 0.955 of the lower Nyquist frequency, 64 zero crossings to each side, Kaiser beta 9
// (the stop band 90 dB down). Flat to 0.91 of that frequency; what lies above it is gone. In torchaudio's
// words: resample(lowpass_filter_width=64, rolloff=0.955, resampling_method="sinc_interp_kaiser", beta=9).
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/job.h"

namespace tongueforge::audio {

class Resampler {
 public:
  /// For rates in samples a second, above 0. Equal rates: samples come out as they are.
  /// @throws ERR_AUDIO where the rates have so little in common that the filter would not fit into memory
  Resampler(int64_t from, int64_t to);

  /// ceil(samples * to / from): how many come out.
  int64_t output_length(int64_t samples) const;

  /// samples (S) -> (output_length(S)), the first at the same instant; before and behind them is silence. The
  /// same bytes for any number of threads.
  std::vector<float> apply(std::span<const float> samples, Job& job) const;

 private:
  float output_at(std::span<const float> samples, int64_t position) const;

  int64_t from_, to_;          // without their common factor
  int64_t reach_ = 0;          // old samples to each side of a new one
  int64_t taps_ = 0;           // of each phase, a multiple of the lanes of a sum
  std::vector<float> filter_;  // (to, taps): the weights for each place of a new sample between old ones
};

}  // namespace tongueforge::audio

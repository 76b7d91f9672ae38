// Log-mel filterbank features as Kaldi computes them (compute-fbank-feats with snip_edges and use_power,
// without the energy): the input of MelHuBERT, and of much else that was trained on Kaldi's features.
//
// A frame: `length` samples in the scale of 16 bits (a sample in -1..1 times 2^15) -> dither -> less their
// mean -> pre-emphasis (the first sample has itself before it) -> window -> power spectrum of the next power
// of two -> triangles, evenly spaced and linear in mel = 1127 ln(1 + f / 700) -> natural logarithm, from
// float's epsilon up.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "audio/real_fft.h"
#include "core/job.h"

namespace tongueforge::audio {

enum class Window { Hamming, Hann, Povey, Rectangular };

struct FilterbankOptions {
  int64_t rate = 16000;  // samples a second
  int64_t bins = 40;
  double frame_length_ms = 25, frame_shift_ms = 10;
  double preemphasis = 0.97;
  Window window = Window::Hamming;
  /// Deviation of the noise that is added to the samples of each frame; 0: none.
  double dither = 0;
  /// Of that noise; the same seed and samples give the same bytes.
  uint64_t seed = 0;
  double low_frequency = 20;
  /// 0 or below: so far from half the rate.
  double high_frequency = 0;
};

class Filterbank {
 public:
  /// @throws ERR_AUDIO for a frame without samples, frequencies out of order or so many bins that some would
  /// have nothing in them
  explicit Filterbank(const FilterbankOptions& options);

  int64_t bins() const { return options_.bins; }
  int64_t frame_length() const { return length_; }
  int64_t frame_shift() const { return shift_; }

  /// 1 + (samples - length) / shift, 0 for what is shorter than a frame: only whole frames count.
  int64_t num_frames(int64_t samples) const;

  /// samples (S), in -1..1 -> out (num_frames(S), bins). The same bytes for any number of threads.
  void apply(std::span<const float> samples, float* out, Job& job) const;

 private:
  struct Scratch;
  struct Triangle {
    int64_t first = 0;  // frequency
    std::vector<double> weights;
  };

  void make_window();
  void make_triangles();
  void frame(std::span<const float> samples, int64_t number, float* out, Scratch& scratch) const;
  void read_frame(const float* samples, int64_t number, double* values) const;

  FilterbankOptions options_;
  int64_t length_, shift_;
  RealFft fft_;
  std::vector<double> window_;       // (length)
  std::vector<Triangle> triangles_;  // (bins)
};

}  // namespace tongueforge::audio

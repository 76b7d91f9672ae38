#include "audio/filterbank.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/error.h"
#include "core/random.h"

namespace tongueforge::audio {
namespace {

constexpr double kSampleScale = 32768;
constexpr int64_t kFramesPerThread = 16, kFramesPerCheck = 2048;

double mel_of(double frequency) { return 1127 * std::log(1 + frequency / 700); }

int64_t samples_in(double milliseconds, int64_t rate) {
  return static_cast<int64_t>(static_cast<double>(rate) * 0.001 * milliseconds);
}

Error bad_option(const std::string& message) {
  return {"ERR_AUDIO", "filterbank: " + message, "The usual ones: 40 bins, frames of 25 ms every 10 ms."};
}

int64_t checked_length(const FilterbankOptions& options) {
  const int64_t length = samples_in(options.frame_length_ms, options.rate);
  if (length < 2 || samples_in(options.frame_shift_ms, options.rate) < 1)
    throw bad_option(str("expected frames of samples, received ", options.frame_length_ms, " ms every ",
                         options.frame_shift_ms, " ms at ", options.rate, " samples a second"));
  return length;
}

double window_value(Window window, double part) {
  const double cosine = std::cos(2 * std::numbers::pi * part);
  switch (window) {
    case Window::Hamming:
      return 0.54 - 0.46 * cosine;
    case Window::Hann:
      return 0.5 - 0.5 * cosine;
    case Window::Povey:
      return std::pow(0.5 - 0.5 * cosine, 0.85);
    case Window::Rectangular:
      return 1;
  }
  throw Error("ERR_INTERNAL", "no such window");
}

/// Adds normal noise (Box & Muller 1958), a function of the seed and the frame's number.
void add_noise(double* values, int64_t count, double deviation, uint64_t seed, int64_t frame) {
  Random random(Random(seed).next() ^ static_cast<uint64_t>(frame) * 0x9e3779b97f4a7c15u);
  for (int64_t i = 0; i < count; i++) {
    const double size = std::sqrt(-2 * std::log(1 - random.uniform()));
    values[i] += deviation * size * std::cos(2 * std::numbers::pi * random.uniform());
  }
}

}  // namespace

struct Filterbank::Scratch {
  std::vector<double> values, power, transform;
  explicit Scratch(int64_t size) : values(size), power(size / 2 + 1), transform(size) {}
};

Filterbank::Filterbank(const FilterbankOptions& options)
    : options_(options),
      length_(checked_length(options)),
      shift_(samples_in(options.frame_shift_ms, options.rate)),
      fft_(static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(length_, 4))))) {
  make_window();
  make_triangles();
}

void Filterbank::make_window() {
  for (int64_t i = 0; i < length_; i++)
    window_.push_back(
        window_value(options_.window, static_cast<double>(i) / static_cast<double>(length_ - 1)));
}

void Filterbank::make_triangles() {
  const double nyquist = static_cast<double>(options_.rate) / 2;
  const double low = options_.low_frequency;
  const double high =
      options_.high_frequency > 0 ? options_.high_frequency : nyquist + options_.high_frequency;
  if (!(low >= 0 && low < high && high <= nyquist))
    throw bad_option(str("expected frequencies from 0 to ", nyquist, " Hz, received ", low, " to ", high));
  const double step = (mel_of(high) - mel_of(low)) / static_cast<double>(options_.bins + 1);
  const double width = static_cast<double>(options_.rate) / static_cast<double>(fft_.size());
  for (int64_t bin = 0; bin < options_.bins; bin++) {
    const double left = mel_of(low) + static_cast<double>(bin) * step;
    const double middle = left + step, right = middle + step;
    Triangle triangle;
    for (int64_t i = 0; i < fft_.size() / 2; i++) {
      const double mel = mel_of(width * static_cast<double>(i));
      if (mel <= left || mel >= right) continue;
      if (triangle.weights.empty()) triangle.first = i;
      triangle.weights.push_back(mel <= middle ? (mel - left) / step : (right - mel) / step);
    }
    if (triangle.weights.empty())
      throw bad_option(str("expected fewer bins, received ", options_.bins, ": bin ", bin,
                           " lies between two frequencies of a frame of ", length_, " samples"));
    triangles_.push_back(std::move(triangle));
  }
}

int64_t Filterbank::num_frames(int64_t samples) const {
  return samples < length_ ? 0 : 1 + (samples - length_) / shift_;
}

void Filterbank::read_frame(const float* samples, int64_t number, double* values) const {
  for (int64_t i = 0; i < length_; i++) values[i] = samples[i] * kSampleScale;
  if (options_.dither != 0) add_noise(values, length_, options_.dither, options_.seed, number);
  double sum = 0;
  for (int64_t i = 0; i < length_; i++) sum += values[i];
  const double mean = sum / static_cast<double>(length_);
  for (int64_t i = 0; i < length_; i++) values[i] -= mean;
  for (int64_t i = length_ - 1; i > 0; i--) values[i] -= options_.preemphasis * values[i - 1];
  values[0] -= options_.preemphasis * values[0];
  for (int64_t i = 0; i < length_; i++) values[i] *= window_[i];
}

void Filterbank::frame(std::span<const float> samples, int64_t number, float* out, Scratch& scratch) const {
  read_frame(samples.data() + number * shift_, number, scratch.values.data());
  fft_.power(scratch.values.data(), scratch.power.data(), scratch.transform.data());
  constexpr double kFloor = std::numeric_limits<float>::epsilon();
  for (size_t bin = 0; bin < triangles_.size(); bin++) {
    const auto& [first, weights] = triangles_[bin];
    double energy = 0;
    for (size_t i = 0; i < weights.size(); i++) energy += weights[i] * scratch.power[first + i];
    out[bin] = static_cast<float>(std::log(std::max(energy, kFloor)));
  }
}

void Filterbank::apply(std::span<const float> samples, float* out, Job& job) const {
  const int64_t frames = num_frames(static_cast<int64_t>(samples.size()));
  for (int64_t begun = 0; begun < frames; begun += kFramesPerCheck) {
    job.check();
    at::parallel_for(begun, std::min(begun + kFramesPerCheck, frames), kFramesPerThread,
                     [&](int64_t from, int64_t to) {
                       Scratch scratch(fft_.size());
                       for (int64_t i = from; i < to; i++) frame(samples, i, out + i * bins(), scratch);
                     });
  }
}

}  // namespace tongueforge::audio

#include "audio/front_end.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"

namespace tongueforge::audio {
namespace {

/// Of transformers' Wav2Vec2FeatureExtractor.
constexpr double kVarianceFloor = 1e-7;

void check_width(const std::vector<float>& values, int64_t bins, const char* name) {
  if (values.empty() || static_cast<int64_t>(values.size()) == bins) return;
  throw Error(
      "ERR_AUDIO",
      str("front end: ", name, ": expected a value for each of ", bins, " bins, received ", values.size()),
      "Compare preprocessor_config.json with the data that it was made from.");
}

/// To mean 0 and variance 1, in place.
void normalise(std::vector<float>& samples) {
  if (samples.empty()) return;
  const auto count = static_cast<double>(samples.size());
  double sum = 0, squares = 0;
  for (const float sample : samples) sum += sample;
  const double mean = sum / count;
  for (const float sample : samples) squares += (sample - mean) * (sample - mean);
  const double scale = 1 / std::sqrt(squares / count + kVarianceFloor);
  for (float& sample : samples) sample = static_cast<float>((sample - mean) * scale);
}

}  // namespace

FrontEnd::FrontEnd(FrontEndOptions options) : options_(std::move(options)) {
  if (!options_.bank) return;
  bank_.emplace(*options_.bank);
  check_width(options_.mean, bank_->bins(), "mean");
  check_width(options_.deviation, bank_->bins(), "std");
}

Sound FrontEnd::sound(std::span<const float> samples, int64_t rate, Job& job) const {
  auto heard = at_rate(samples, rate, job);
  if (!bank_) {
    if (options_.normalised) normalise(heard);
    return {std::move(heard), 0};
  }
  auto frames = log_mel(heard, job);
  const auto bins = static_cast<size_t>(bank_->bins());
  for (size_t i = 0; i < frames.size(); i++) {
    if (!options_.mean.empty()) frames[i] -= options_.mean[i % bins];
    if (!options_.deviation.empty()) frames[i] /= options_.deviation[i % bins];
  }
  const auto width = bins * static_cast<size_t>(options_.stacked);
  frames.resize((frames.size() + width - 1) / width * width);
  return {std::move(frames), static_cast<int64_t>(width)};
}

Moments FrontEnd::moments(std::span<const float> samples, int64_t rate, Job& job) const {
  if (!bank_) throw Error("ERR_INTERNAL", "moments of a front end without frames");
  const auto frames = log_mel(at_rate(samples, rate, job), job);
  const auto bins = static_cast<size_t>(bank_->bins());
  Moments of{.count = static_cast<int64_t>(frames.size() / bins),
             .means = std::vector<double>(bins),
             .squares = std::vector<double>(bins)};
  if (of.count == 0) return of;
  for (size_t i = 0; i < frames.size(); i++) of.means[i % bins] += frames[i];
  for (double& mean : of.means) mean /= static_cast<double>(of.count);
  for (size_t i = 0; i < frames.size(); i++) {
    const double distance = frames[i] - of.means[i % bins];
    of.squares[i % bins] += distance * distance;
  }
  return of;
}

int64_t FrontEnd::bytes() const { return 1 << 16; }

std::vector<float> FrontEnd::at_rate(std::span<const float> samples, int64_t rate, Job& job) const {
  if (rate == options_.rate) return {samples.begin(), samples.end()};
  std::shared_ptr<const Resampler> resampler;
  {
    const std::lock_guard lock(mutex_);
    if (resampled_from_ != rate) resampler_ = std::make_shared<Resampler>(rate, options_.rate);
    resampled_from_ = rate;
    resampler = resampler_;
  }
  return resampler->apply(samples, job);
}

std::vector<float> FrontEnd::log_mel(std::span<const float> samples, Job& job) const {
  std::vector<float> frames(
      static_cast<size_t>(bank_->num_frames(static_cast<int64_t>(samples.size())) * bank_->bins()));
  bank_->apply(samples, frames.data(), job);
  return frames;
}

}  // namespace tongueforge::audio

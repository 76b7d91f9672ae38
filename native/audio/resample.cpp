#include "audio/resample.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "core/error.h"

namespace tongueforge::audio {
namespace {

constexpr double kRolloff = 0.955, kCrossings = 64, kBeta = 9;
/// Weights of all phases: 64 MB.
constexpr int64_t kMostWeights = int64_t{1} << 24;
/// Sums that run side by side, so that the machine's vectors are used; added up in one order at the end.
constexpr int64_t kLanes = 16;
constexpr int64_t kOutputsPerThread = 1024, kOutputsPerCheck = 1 << 16;

/// The modified Bessel function of order 0, by its series.
double bessel_i0(double x) {
  double term = 1, sum = 1;
  for (int k = 1; term > sum * 1e-17; k++) {
    term *= (x / (2 * k)) * (x / (2 * k));
    sum += term;
  }
  return sum;
}

/// The filter's weight `crossings` zero crossings away from its middle.
double weight_at(double crossings) {
  if (std::abs(crossings) >= kCrossings) return 0;
  const double part = crossings / kCrossings, angle = std::numbers::pi * crossings;
  const double window = bessel_i0(kBeta * std::sqrt(1 - part * part)) / bessel_i0(kBeta);
  return window * (crossings == 0 ? 1 : std::sin(angle) / angle);
}

}  // namespace

Resampler::Resampler(int64_t from, int64_t to)
    : from_(from / std::gcd(from, to)), to_(to / std::gcd(from, to)) {
  if (from_ == to_) return;
  // In old samples: a zero crossing comes every 1 / scale of them.
  const double scale = kRolloff * static_cast<double>(std::min(from_, to_)) / static_cast<double>(from_);
  reach_ = static_cast<int64_t>(std::ceil(kCrossings / scale));
  taps_ = (2 * reach_ + 1 + kLanes - 1) / kLanes * kLanes;
  if (taps_ * to_ > kMostWeights)
    throw Error("ERR_AUDIO",
                str("expected rates of a simple ratio, received ", from, " and ", to, " samples a second"),
                "Resample the files once, to a usual rate such as 16000.");
  filter_.resize(static_cast<size_t>(taps_ * to_));
  for (int64_t phase = 0; phase < to_; phase++) {
    const double place = static_cast<double>(phase) * static_cast<double>(from_) / static_cast<double>(to_);
    const auto before = static_cast<int64_t>(std::floor(place));
    for (int64_t tap = 0; tap < 2 * reach_ + 1; tap++)
      filter_[phase * taps_ + tap] =
          static_cast<float>(scale * weight_at((static_cast<double>(before + tap - reach_) - place) * scale));
  }
}

int64_t Resampler::output_length(int64_t samples) const { return (samples * to_ + from_ - 1) / from_; }

float Resampler::output_at(std::span<const float> samples, int64_t position) const {
  // Position = cycles * to + phase; its first old sample lies `reach` before it.
  const int64_t phase = position % to_;
  const int64_t start = position / to_ * from_ + phase * from_ / to_ - reach_;
  const float* const weights = filter_.data() + phase * taps_;
  const auto count = static_cast<int64_t>(samples.size());
  float sums[kLanes] = {};
  if (start >= 0 && start + taps_ <= count) {
    for (int64_t tap = 0; tap < taps_; tap += kLanes)
      for (int64_t lane = 0; lane < kLanes; lane++)
        sums[lane] += weights[tap + lane] * samples[start + tap + lane];
  } else {
    const int64_t first = std::max<int64_t>(-start, 0), last = std::min(taps_, count - start);
    for (int64_t tap = first; tap < last; tap++) sums[tap % kLanes] += weights[tap] * samples[start + tap];
  }
  double sum = 0;
  for (const float part : sums) sum += part;
  return static_cast<float>(sum);
}

std::vector<float> Resampler::apply(std::span<const float> samples, Job& job) const {
  if (from_ == to_) return {samples.begin(), samples.end()};
  std::vector<float> out(static_cast<size_t>(output_length(static_cast<int64_t>(samples.size()))));
  const auto total = static_cast<int64_t>(out.size());
  for (int64_t begun = 0; begun < total; begun += kOutputsPerCheck) {
    job.check();
    const int64_t end = std::min(begun + kOutputsPerCheck, total);
    at::parallel_for(begun, end, kOutputsPerThread, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; i++) out[i] = output_at(samples, i);
    });
  }
  return out;
}

}  // namespace tongueforge::audio

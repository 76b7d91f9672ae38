#include "nn/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "kernels/aten.h"
#include "kernels/transfer.h"

namespace tongueforge::nn {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;

float standard_frequency(double theta, int64_t pair, int64_t head_dim) {
  return 1.0f /
         std::pow(static_cast<float>(theta), static_cast<float>(2 * pair) / static_cast<float>(head_dim));
}

// NTK-aware: the base grows so that the lowest frequency spans `length` (reddit/u/emozilla, as in
// transformers).
double dynamic_theta(const RopeSpec& spec, int64_t head_dim, int64_t length) {
  const double trained = static_cast<double>(spec.original_max_positions);
  const double stretch = spec.factor * std::max<double>(length, trained) / trained - (spec.factor - 1);
  const double h = static_cast<double>(head_dim);
  return spec.theta * std::pow(stretch, h / (h - 2));
}

// Llama 3.1: slow frequencies are divided by the factor, fast ones kept, those between blended.
float llama3_frequency(const RopeSpec& spec, float frequency) {
  const double trained = static_cast<double>(spec.original_max_positions);
  const double wavelength = kTurn / frequency;
  if (wavelength < trained / spec.high_freq_factor) return frequency;
  if (wavelength > trained / spec.low_freq_factor) return static_cast<float>(frequency / spec.factor);
  const double blend =
      (trained / wavelength - spec.low_freq_factor) / (spec.high_freq_factor - spec.low_freq_factor);
  return static_cast<float>((1 - blend) * frequency / spec.factor + blend * frequency);
}

// YaRN (Peng et al. 2023, arXiv 2309.00071): pairs that turn more than beta_fast times within the trained
// length are kept, those below beta_slow interpolated, a linear ramp between.
struct YarnRamp {
  double low, high;

  YarnRamp(const RopeSpec& spec, int64_t head_dim) {
    const auto pair_of_turns = [&](double turns) {
      return static_cast<double>(head_dim) * std::log(spec.original_max_positions / (turns * kTurn)) /
             (2 * std::log(spec.theta));
    };
    low = pair_of_turns(spec.beta_fast);
    high = pair_of_turns(spec.beta_slow);
    if (spec.truncate) low = std::floor(low), high = std::ceil(high);
    low = std::max(low, 0.0);
    high = std::min(high, static_cast<double>(head_dim - 1));
    if (low == high) high += 0.001;  // a step rather than a division by zero
  }

  float interpolated_share(int64_t pair) const {
    return static_cast<float>(std::clamp((static_cast<double>(pair) - low) / (high - low), 0.0, 1.0));
  }
};

}  // namespace

RopeKind rope_kind_from_name(const std::string& name) {
  if (name == "default") return RopeKind::standard;
  if (name == "linear") return RopeKind::linear;
  if (name == "dynamic") return RopeKind::dynamic;
  if (name == "llama3") return RopeKind::llama3;
  if (name == "yarn") return RopeKind::yarn;
  throw Error("ERR_MODEL_CONFIG", str("Expected a known rope scaling, received '", name, "'"),
              "Supported: default, linear, dynamic, llama3, yarn.");
}

std::vector<float> rope_frequencies(const RopeSpec& spec, int64_t head_dim, int64_t length) {
  const double theta = spec.kind == RopeKind::dynamic ? dynamic_theta(spec, head_dim, length) : spec.theta;
  std::vector<float> frequencies(head_dim / 2);
  for (int64_t pair = 0; pair < head_dim / 2; pair++) {
    const float f = standard_frequency(theta, pair, head_dim);
    switch (spec.kind) {
      case RopeKind::standard:
      case RopeKind::dynamic:
        frequencies[pair] = f;
        break;
      case RopeKind::linear:
        frequencies[pair] = f / static_cast<float>(spec.factor);
        break;
      case RopeKind::llama3:
        frequencies[pair] = llama3_frequency(spec, f);
        break;
      case RopeKind::yarn: {
        const float share = YarnRamp(spec, head_dim).interpolated_share(pair);
        frequencies[pair] = f / static_cast<float>(spec.factor) * share + f * (1 - share);
      }
    }
  }
  return frequencies;
}

Rotation rope_rotation(const RopeSpec& spec, int64_t head_dim, const at::Tensor& positions, int64_t length,
                       at::ScalarType dtype) {
  auto frequencies = rope_frequencies(spec, head_dim, length);
  const auto pairs =
      kernels::to_device(at::from_blob(frequencies.data(), {head_dim / 2}, at::kFloat), positions.device());
  const auto half = positions.to(at::kFloat).unsqueeze(-1).mul(pairs);  // (..., T, H/2)
  auto angle = at::cat({half, half}, -1);
  angle = angle.dim() == 2 ? angle.unsqueeze(0).unsqueeze(0) : angle.unsqueeze(1);  // (B|1,1,T,H)
  return {angle.cos().mul(spec.attention_factor).to(dtype), angle.sin().mul(spec.attention_factor).to(dtype)};
}

}  // namespace tongueforge::nn

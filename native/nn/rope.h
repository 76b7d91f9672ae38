// Frequencies of the rotary position embedding, with the scalings that published models use for long
// contexts.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tongueforge::nn {

enum class RopeKind { standard, linear, dynamic, llama3, yarn };

/// From the name in config.json: default, linear, dynamic, llama3, yarn. Throws ERR_MODEL_CONFIG for others.
RopeKind rope_kind_from_name(const std::string& name);

struct RopeSpec {
  RopeKind kind = RopeKind::standard;
  double theta = 10000.0;
  double factor = 1.0;
  int64_t original_max_positions = 0;                    // dynamic, llama3, yarn
  double low_freq_factor = 1.0, high_freq_factor = 4.0;  // llama3
  double beta_fast = 32.0, beta_slow = 1.0;              // yarn
  double attention_factor = 1.0;                         // yarn: multiplies cos and sin
  bool truncate = true;                                  // yarn: whole-number correction range
};

/// Turns per position of each pair of dimensions: H/2 float32 values. `length` is the number of positions in
/// play (the largest position + 1): the dynamic kind stretches its base once that exceeds the trained length.
std::vector<float> rope_frequencies(const RopeSpec& spec, int64_t head_dim, int64_t length);

struct Rotation {
  at::Tensor cos, sin;  // (B|1,1,T,H)
};

/// positions (T) or (B,T) int64 -> the rotation of these positions in `dtype`.
Rotation rope_rotation(const RopeSpec& spec, int64_t head_dim, const at::Tensor& positions, int64_t length,
                       at::ScalarType dtype);

}  // namespace tongueforge::nn

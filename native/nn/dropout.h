// What a model leaves out of its activations while it learns: a function of a key for each micro-batch and of
// the place, so that a resumed run and a block that is computed again leave out the same.
#pragma once
#include <cstdint>
#include <optional>
#include <utility>

#include "kernels/dropout.h"

namespace tongueforge::nn {

/// Rates of an encoder.
struct EncoderDropout {
  double residual = 0;    // of what the parts of its blocks add, and of what goes into the first
  double attention = 0;   // of the probabilities with which places look at others
  double activation = 0;  // of what goes into `narrow`

  bool is_any() const { return residual > 0 || attention > 0 || activation > 0; }
};

/// Of one model. `key` is set while a training step runs, and only then are values dropped.
struct TrainingDropout {
  double adapter_rate = 0;  // of what its adapters see
  EncoderDropout encoder;
  std::optional<uint64_t> key;

  /// Each adapter drops other values, by its number within the model.
  kernels::DropoutKey of_adapter(uint64_t number) const;
  /// 0: what goes into the first block; 2i + 1 and 2i + 2: attention and feed-forward of block i.
  kernels::DropoutKey of_residual(uint64_t number) const;
  /// By the number of the block.
  kernels::DropoutKey of_attention(uint64_t block) const;
  kernels::DropoutKey of_activation(uint64_t block) const;
};

/// While it lives, a model drops by this key, or drops nothing.
class DropoutScope {
 public:
  DropoutScope(TrainingDropout& dropout, std::optional<uint64_t> key)
      : dropout_(dropout), before_(std::exchange(dropout.key, key)) {}
  ~DropoutScope() { dropout_.key = before_; }
  DropoutScope(const DropoutScope&) = delete;
  DropoutScope& operator=(const DropoutScope&) = delete;

 private:
  TrainingDropout& dropout_;
  std::optional<uint64_t> before_;
};

}  // namespace tongueforge::nn

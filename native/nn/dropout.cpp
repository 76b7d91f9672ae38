#include "nn/dropout.h"

#include "core/random.h"

namespace tongueforge::nn {
namespace {

// No model has so many adapters, or so many blocks.
constexpr uint64_t kResidual = uint64_t{1} << 32;
constexpr uint64_t kAttention = uint64_t{2} << 32;
constexpr uint64_t kActivation = uint64_t{3} << 32;

kernels::DropoutKey key_of(double rate, const std::optional<uint64_t>& key, uint64_t number) {
  if (!key || rate == 0) return {};
  return {rate, Random(*key + number).next()};
}

}  // namespace

kernels::DropoutKey TrainingDropout::of_adapter(uint64_t number) const {
  return key_of(adapter_rate, key, number);
}

kernels::DropoutKey TrainingDropout::of_residual(uint64_t number) const {
  return key_of(encoder.residual, key, kResidual + number);
}

kernels::DropoutKey TrainingDropout::of_attention(uint64_t block) const {
  return key_of(encoder.attention, key, kAttention + block);
}

kernels::DropoutKey TrainingDropout::of_activation(uint64_t block) const {
  return key_of(encoder.activation, key, kActivation + block);
}

}  // namespace tongueforge::nn

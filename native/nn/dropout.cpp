#include "nn/dropout.h"

#include "core/random.h"

namespace tongueforge::nn {
namespace {

constexpr uint64_t kResidual = uint64_t{1} << 32;  // no model has so many adapters

kernels::DropoutKey key_of(double rate, const std::optional<uint64_t>& key, uint64_t number) {
  if (!key || rate == 0) return {};
  return {rate, Random(*key + number).next()};
}

}  // namespace

kernels::DropoutKey TrainingDropout::of_adapter(uint64_t number) const {
  return key_of(adapter_rate, key, number);
}

kernels::DropoutKey TrainingDropout::of_residual(uint64_t number) const {
  return key_of(residual_rate, key, kResidual + number);
}

}  // namespace tongueforge::nn

#include "merge/float_output.h"

#include <bit>
#include <cstring>

namespace tongueforge::merge {
namespace {

// Plain loops over one kind of value at a time: the compiler makes vector code of them.
void store_bf16(const float* values, size_t count, uint16_t* to) {
  for (size_t i = 0; i < count; ++i) to[i] = float_to_bf16(values[i]);
}

void store_f16(const float* values, size_t count, uint16_t* to) {
  for (size_t i = 0; i < count; ++i) to[i] = float_to_f16(values[i]);
}

template <class Bits>
uint64_t count_with(Bits exponent, const void* values, size_t count) {
  const auto* const bits = static_cast<const Bits*>(values);
  uint64_t found = 0;
  for (size_t i = 0; i < count; ++i) found += static_cast<Bits>(bits[i] & exponent) == exponent;
  return found;
}

}  // namespace

uint64_t store_floats(DType dtype, const float* values, size_t count, void* to) {
  if (dtype == DType::F32) {
    std::memcpy(to, values, count * sizeof(float));
  } else if (dtype == DType::BF16) {
    store_bf16(values, count, static_cast<uint16_t*>(to));
  } else {
    store_f16(values, count, static_cast<uint16_t*>(to));
  }
  return count_nonfinite(dtype, to, count);
}

uint64_t count_nonfinite(DType dtype, const void* values, size_t count) {
  if (dtype == DType::F32) return count_with(uint32_t{0x7f800000}, values, count);
  return count_with(dtype == DType::BF16 ? uint16_t{0x7f80} : uint16_t{0x7c00}, values, count);
}

void round_floats(DType dtype, float* values, size_t count) {
  if (dtype == DType::BF16)
    for (size_t i = 0; i < count; ++i) values[i] = bf16_to_float(float_to_bf16(values[i]));
  if (dtype == DType::F16)
    for (size_t i = 0; i < count; ++i) values[i] = f16_to_float(float_to_f16(values[i]));
}

}  // namespace tongueforge::merge

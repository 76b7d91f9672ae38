// The steps of `compat: mergekit`: each result is rounded to the working dtype, as torch does between two
// operations.
#pragma once
#include "core/dtype.h"
#include "core/error.h"

namespace tongueforge::merge {

struct RoundF32 {
  float operator()(float value) const { return value; }
};
struct RoundBF16 {
  float operator()(float value) const { return bf16_to_float(float_to_bf16(value)); }
};
struct RoundF16 {
  float operator()(float value) const { return f16_to_float(float_to_f16(value)); }
};

/// Calls work(rounding) with the rounding of a working dtype.
template <class Work>
void for_rounding(DType dtype, const Work& work) {
  switch (dtype) {
    case DType::F32:
      return work(RoundF32{});
    case DType::BF16:
      return work(RoundBF16{});
    case DType::F16:
      return work(RoundF16{});
    default:
      throw Error("ERR_INTERNAL", str("no merging in ", dtype_name(dtype)));
  }
}

/// A number rounded to a working dtype: mergekit makes tensors of weights.
inline float rounded_to(DType dtype, double value) {
  float result = static_cast<float>(value);
  for_rounding(dtype, [&](auto round) { result = round(result); });
  return result;
}

}  // namespace tongueforge::merge

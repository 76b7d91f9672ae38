// The arithmetic of a graft on raw memory: out = target + scale * (chat - base).
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/dtype.h"

namespace tongueforge::merge {

/// Sums over the elements that went through the kernel; start from zeros and add chunk after chunk.
struct GraftSums {
  double delta_squared = 0;    // sum of d^2, d = chat - base
  double target_squared = 0;   // sum of target^2
  uint64_t num_nonfinite = 0;  // outputs that are NaN or infinite
  uint64_t num_changed = 0;    // outputs whose bits differ from the target's
};

/// One stretch of a tensor in up to three dtypes; each is BF16, F16 or F32, and memory needs no alignment.
struct GraftSpan {
  DType target_dtype, base_dtype, chat_dtype;
  const void* target;
  const void* base;
  const void* chat;
  void* out;  // of the target's dtype; may be `target` itself
  size_t num_elements;
};

/// True for the dtypes that graft_span takes.
bool graft_supports(DType dtype);

/// d = float32(chat) - float32(base), rounded to float32. A 16-bit target gets fma(scale, d, target) in
/// float32, rounded once to its type; a float32 target gets float(double(target) + double(scale) *
/// double(d)). Where d or scale is zero the target's bits are kept, so that -0.0 and the payloads of NaNs
/// survive. The same input gives the same bits and sums on every machine and for every split at multiples of
/// kGraftBlock.
void graft_span(const GraftSpan& span, float scale, GraftSums& sums);

/// Elements that the kernel handles at a time.
inline constexpr size_t kGraftBlock = 512;

}  // namespace tongueforge::merge

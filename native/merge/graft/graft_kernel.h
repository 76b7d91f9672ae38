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

/// One stretch of a tensor in up to three dtypes: the target BF16, F16 or F32, the others also F8_E4M3 or
/// F8_E5M2. Memory needs no alignment.
struct GraftSpan {
  DType target_dtype, base_dtype, chat_dtype;
  const void* target;
  const void* base;
  const void* chat;
  void* out;  // of the target's dtype; may be `target` itself
  size_t num_elements;
};

/// The dtypes of a target: BF16, F16, F32.
bool graft_supports(DType dtype);

/// The dtypes of base and chat: those of a target, F8_E4M3 and F8_E5M2.
bool graft_reads(DType dtype);

/// d = float32(chat) - float32(base), rounded to float32. A 16-bit target gets fma(scale, d, target) in
/// float32, rounded once to its type; a float32 target gets float(double(target) + double(scale) *
/// double(d)). Where d or scale is zero the target's bits are kept, so that -0.0 and the payloads of NaNs
/// survive. The same input gives the same bits and sums on every machine and for every split at multiples of
/// kGraftBlock.
void graft_span(const GraftSpan& span, float scale, GraftSums& sums);

/// Any dtype of graft_reads as float32, exactly.
void to_floats(DType dtype, const void* from, float* to, size_t num_elements);

/// The first half of graft_span: delta[i] = float32(chat[i]) - float32(base[i]).
void subtract_span(DType base_dtype, const void* base, DType chat_dtype, const void* chat, float* delta,
                   size_t num_elements);

/// The second half: what graft_span does with deltas that are there already. `out` may be `target`.
void add_span(DType target_dtype, const void* target, const float* delta, float scale, void* out,
              size_t num_elements, GraftSums& sums);

/// A float32 difference and what it is multiplied by.
struct ScaledDelta {
  const float* values;
  float scale;
};

/// Several deltas at once: double(target) + the sum of double(scale) * double(delta), products exact, added
/// in the order given, rounded to float32 and from there to the target's type. One delta is add_span. Where
/// all products are zero the target's bits are kept; that of a scale of zero is zero, whatever the delta.
/// `GraftSums::delta_squared` is of the float32 sum of the products.
void add_many_span(DType target_dtype, const void* target, const ScaledDelta* deltas, size_t num_deltas,
                   void* out, size_t num_elements, GraftSums& sums);

/// Elements that the kernel handles at a time.
inline constexpr size_t kGraftBlock = 512;

}  // namespace tongueforge::merge

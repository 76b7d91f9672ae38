#include "merge/graft/graft_kernel.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "core/instructions.h"
#include "merge/float_lanes.h"

// The plain loops below are inlined into three functions each: for every x86-64, for those with AVX2 and FMA,
// and for those with AVX-512; the compiler makes vector code of the same loops for all. Fixed trip counts let
// it do so at -O2.

namespace tongueforge::merge {
namespace {

constexpr size_t kBlock = kGraftBlock;
static_assert(kBlock == lanes::kBlock);
using lanes::decode, lanes::load_bits, lanes::store_bits, lanes::width;

/// One block in 32-bit lanes: 10 KB, which stays in the first-level cache.
struct Block {
  alignas(64) uint32_t target_bits[kBlock];  // 16-bit types in the lower half
  alignas(64) uint32_t out_bits[kBlock];
  alignas(64) float target[kBlock];
  alignas(64) float base[kBlock];
  alignas(64) float delta[kBlock];  // chat, then chat - base
};

// ---- arithmetic ----

TONGUEFORGE_INLINE void subtract_base(Block& block) {
  for (size_t i = 0; i < kBlock; ++i) block.delta[i] -= block.base[i];
}

TONGUEFORGE_INLINE uint32_t kept_or(const Block& block, size_t i, uint32_t blended) {
  return choose(block.delta[i] == 0.0f, block.target_bits[i], blended);
}

TONGUEFORGE_INLINE void blend(DType dtype, Block& block, float scale) {
  if (scale == 0.0f) {
    std::memcpy(block.out_bits, block.target_bits, sizeof block.out_bits);
  } else if (dtype == DType::BF16) {
    for (size_t i = 0; i < kBlock; ++i) {
      block.out_bits[i] =
          kept_or(block, i, float_to_bf16(__builtin_fmaf(scale, block.delta[i], block.target[i])));
    }
  } else if (dtype == DType::F16) {
    for (size_t i = 0; i < kBlock; ++i) {
      block.out_bits[i] =
          kept_or(block, i, float_to_f16(__builtin_fmaf(scale, block.delta[i], block.target[i])));
    }
  } else {
    const double wide_scale = scale;  // its product with a float is exact in double
    for (size_t i = 0; i < kBlock; ++i) {
      const double sum =
          static_cast<double>(block.target[i]) + wide_scale * static_cast<double>(block.delta[i]);
      block.out_bits[i] = kept_or(block, i, std::bit_cast<uint32_t>(static_cast<float>(sum)));
    }
  }
}

// ---- sums: eight lanes, added up in a fixed order, so that the instruction set cannot change them ----

TONGUEFORGE_INLINE double sum_of_squares(const float* values) {
  double lanes[8] = {};
  for (size_t i = 0; i < kBlock; i += 8) {
    for (size_t j = 0; j < 8; ++j)
      lanes[j] += static_cast<double>(values[i + j]) * static_cast<double>(values[i + j]);
  }
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

TONGUEFORGE_INLINE uint32_t exponent_mask(DType dtype) {
  return dtype == DType::BF16 ? 0x7f80u : dtype == DType::F16 ? 0x7c00u : 0x7f800000u;
}

TONGUEFORGE_INLINE void add_sums(DType dtype, const Block& block, GraftSums& sums) {
  const uint32_t mask = exponent_mask(dtype);
  uint32_t nonfinite = 0, changed = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    nonfinite += (block.out_bits[i] & mask) == mask ? 1u : 0u;
    changed += block.out_bits[i] != block.target_bits[i] ? 1u : 0u;
  }
  sums.num_nonfinite += nonfinite;
  sums.num_changed += changed;
  sums.delta_squared += sum_of_squares(block.delta);
  sums.target_squared += sum_of_squares(block.target);
}

// ---- what is public, on blocks ----

TONGUEFORGE_INLINE void load_target(DType dtype, const void* target, size_t at, size_t count, Block& block) {
  load_bits(dtype, static_cast<const unsigned char*>(target) + at * width(dtype), count, block.target_bits);
  decode(dtype, block.target_bits, block.target);
}

TONGUEFORGE_INLINE void load_values(DType dtype, const void* from, size_t at, size_t count, Block& block,
                                    float* values) {
  load_bits(dtype, static_cast<const unsigned char*>(from) + at * width(dtype), count, block.out_bits);
  decode(dtype, block.out_bits, values);
}

TONGUEFORGE_INLINE void store_out(DType dtype, const Block& block, void* out, size_t at, size_t count) {
  store_bits(dtype, block.out_bits, count, static_cast<unsigned char*>(out) + at * width(dtype));
}

TONGUEFORGE_INLINE void graft_blocks(const GraftSpan& span, float scale, GraftSums& sums) {
  Block block;
  for (size_t at = 0; at < span.num_elements; at += kBlock) {
    const size_t count = std::min(kBlock, span.num_elements - at);
    load_values(span.base_dtype, span.base, at, count, block, block.base);
    load_values(span.chat_dtype, span.chat, at, count, block, block.delta);
    load_target(span.target_dtype, span.target, at, count, block);
    subtract_base(block);
    blend(span.target_dtype, block, scale);
    add_sums(span.target_dtype, block, sums);
    store_out(span.target_dtype, block, span.out, at, count);
  }
}

/// The arguments of to_floats.
struct Conversion {
  DType dtype;
  const void* from;
  float* to;
  size_t num_elements;
};

TONGUEFORGE_INLINE void convert_blocks(const Conversion& conversion) {
  Block block;
  for (size_t at = 0; at < conversion.num_elements; at += kBlock) {
    const size_t count = std::min(kBlock, conversion.num_elements - at);
    load_values(conversion.dtype, conversion.from, at, count, block, block.base);
    std::memcpy(conversion.to + at, block.base, count * sizeof(float));
  }
}

/// The arguments of subtract_span.
struct Difference {
  DType base_dtype, chat_dtype;
  const void* base;
  const void* chat;
  float* delta;
  size_t num_elements;
};

TONGUEFORGE_INLINE void subtract_blocks(const Difference& difference) {
  Block block;
  for (size_t at = 0; at < difference.num_elements; at += kBlock) {
    const size_t count = std::min(kBlock, difference.num_elements - at);
    load_values(difference.base_dtype, difference.base, at, count, block, block.base);
    load_values(difference.chat_dtype, difference.chat, at, count, block, block.delta);
    subtract_base(block);
    std::memcpy(difference.delta + at, block.delta, count * sizeof(float));
  }
}

/// The arguments of add_span and add_many_span.
struct Addition {
  DType target_dtype;
  const void* target;
  const ScaledDelta* deltas;
  size_t num_deltas;
  void* out;
  size_t num_elements;
};

TONGUEFORGE_INLINE void load_delta(const float* values, size_t at, size_t count, float* block) {
  std::memcpy(block, values + at, count * sizeof(float));
  std::memset(block + count, 0, (kBlock - count) * sizeof(float));
}

TONGUEFORGE_INLINE void add_blocks(const Addition& addition, GraftSums& sums) {
  Block block;
  for (size_t at = 0; at < addition.num_elements; at += kBlock) {
    const size_t count = std::min(kBlock, addition.num_elements - at);
    load_delta(addition.deltas->values, at, count, block.delta);
    load_target(addition.target_dtype, addition.target, at, count, block);
    blend(addition.target_dtype, block, addition.deltas->scale);
    add_sums(addition.target_dtype, block, sums);
    store_out(addition.target_dtype, block, addition.out, at, count);
  }
}

TONGUEFORGE_INLINE uint32_t rounded(DType dtype, float value) {
  return dtype == DType::BF16  ? float_to_bf16(value)
         : dtype == DType::F16 ? float_to_f16(value)
                               : std::bit_cast<uint32_t>(value);
}

TONGUEFORGE_INLINE void add_many_blocks(const Addition& addition, GraftSums& sums) {
  Block block;
  alignas(64) double total[kBlock];
  for (size_t at = 0; at < addition.num_elements; at += kBlock) {
    const size_t count = std::min(kBlock, addition.num_elements - at);
    load_target(addition.target_dtype, addition.target, at, count, block);
    std::memset(total, 0, sizeof total);
    for (size_t k = 0; k < addition.num_deltas; ++k) {
      const double scale = addition.deltas[k].scale;
      if (scale == 0) continue;  // 0 times NaN or infinity would be NaN
      load_delta(addition.deltas[k].values, at, count, block.base);
      for (size_t i = 0; i < kBlock; ++i) total[i] += scale * static_cast<double>(block.base[i]);
    }
    for (size_t i = 0; i < kBlock; ++i) {
      const auto sum = static_cast<float>(static_cast<double>(block.target[i]) + total[i]);
      block.delta[i] = static_cast<float>(total[i]);
      block.out_bits[i] = choose(total[i] == 0, block.target_bits[i], rounded(addition.target_dtype, sum));
    }
    add_sums(addition.target_dtype, block, sums);
    store_out(addition.target_dtype, block, addition.out, at, count);
  }
}

// ---- one function a level of instructions ----

#if defined(__x86_64__)
#define TONGUEFORGE_AVX2 __attribute__((target("avx2,fma,f16c")))
#define TONGUEFORGE_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,prefer-vector-width=512")))
#else
#define TONGUEFORGE_AVX2
#define TONGUEFORGE_AVX512
#endif

/// Defines NAME(arguments...), which runs BLOCKS as the best that this machine has.
#define TONGUEFORGE_LEVELS(NAME, BLOCKS, PARAMETERS, ARGUMENTS)          \
  void NAME##_any PARAMETERS { BLOCKS ARGUMENTS; }                       \
  TONGUEFORGE_AVX2 void NAME##_avx2 PARAMETERS { BLOCKS ARGUMENTS; }     \
  TONGUEFORGE_AVX512 void NAME##_avx512 PARAMETERS { BLOCKS ARGUMENTS; } \
  void NAME PARAMETERS {                                                 \
    switch (instructions()) {                                            \
      case Instructions::Avx512:                                         \
        return NAME##_avx512 ARGUMENTS;                                  \
      case Instructions::Avx2:                                           \
        return NAME##_avx2 ARGUMENTS;                                    \
      case Instructions::Any:                                            \
        return NAME##_any ARGUMENTS;                                     \
    }                                                                    \
  }

TONGUEFORGE_LEVELS(graft_best, graft_blocks, (const GraftSpan& span, float scale, GraftSums& sums),
                   (span, scale, sums))
TONGUEFORGE_LEVELS(convert_best, convert_blocks, (const Conversion& conversion), (conversion))
TONGUEFORGE_LEVELS(subtract_best, subtract_blocks, (const Difference& difference), (difference))
TONGUEFORGE_LEVELS(add_best, add_blocks, (const Addition& addition, GraftSums& sums), (addition, sums))
TONGUEFORGE_LEVELS(add_many_best, add_many_blocks, (const Addition& addition, GraftSums& sums),
                   (addition, sums))

}  // namespace

bool graft_supports(DType dtype) {
  return dtype == DType::BF16 || dtype == DType::F16 || dtype == DType::F32;
}

bool graft_reads(DType dtype) {
  return graft_supports(dtype) || dtype == DType::F8_E4M3 || dtype == DType::F8_E5M2;
}

void graft_span(const GraftSpan& span, float scale, GraftSums& sums) { graft_best(span, scale, sums); }

void to_floats(DType dtype, const void* from, float* to, size_t num_elements) {
  convert_best({dtype, from, to, num_elements});
}

void subtract_span(DType base_dtype, const void* base, DType chat_dtype, const void* chat, float* delta,
                   size_t num_elements) {
  subtract_best({base_dtype, chat_dtype, base, chat, delta, num_elements});
}

void add_span(DType target_dtype, const void* target, const float* delta, float scale, void* out,
              size_t num_elements, GraftSums& sums) {
  const ScaledDelta only = {delta, scale};
  add_best({target_dtype, target, &only, 1, out, num_elements}, sums);
}

void add_many_span(DType target_dtype, const void* target, const ScaledDelta* deltas, size_t num_deltas,
                   void* out, size_t num_elements, GraftSums& sums) {
  if (num_deltas == 1)
    return add_span(target_dtype, target, deltas->values, deltas->scale, out, num_elements, sums);
  add_many_best({target_dtype, target, deltas, num_deltas, out, num_elements}, sums);
}

}  // namespace tongueforge::merge

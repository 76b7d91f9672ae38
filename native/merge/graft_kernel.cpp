#include "merge/graft_kernel.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

// Everything below `graft_blocks` is inlined into two functions, one for every x86-64 and one for those with
// AVX2 and FMA; the compiler makes vector code of the same plain loops for both. Fixed trip counts let it do
// so at -O2.
#define TONGUEFORGE_INLINE inline __attribute__((always_inline))

namespace tongueforge::merge {
namespace {

constexpr size_t kBlock = kGraftBlock;

/// One block in 32-bit lanes: 10 KB, which stays in the first-level cache.
struct Block {
  alignas(64) uint32_t target_bits[kBlock];  // 16-bit types in the lower half
  alignas(64) uint32_t out_bits[kBlock];
  alignas(64) float target[kBlock];
  alignas(64) float base[kBlock];
  alignas(64) float delta[kBlock];  // chat, then chat - base
};

// ---- memory to lanes and back; the lanes past the end are zeros, which change no sum ----

TONGUEFORGE_INLINE void load_bits16(const unsigned char* from, size_t count, uint32_t* bits) {
  alignas(64) uint16_t narrow[kBlock];
  std::memcpy(narrow, from, count * 2);
  std::memset(narrow + count, 0, (kBlock - count) * 2);
  for (size_t i = 0; i < kBlock; ++i) bits[i] = narrow[i];
}

TONGUEFORGE_INLINE void load_bits32(const unsigned char* from, size_t count, uint32_t* bits) {
  std::memcpy(bits, from, count * 4);
  std::memset(bits + count, 0, (kBlock - count) * 4);
}

TONGUEFORGE_INLINE void load_bits(DType dtype, const unsigned char* from, size_t count, uint32_t* bits) {
  if (dtype == DType::F32) {
    load_bits32(from, count, bits);
  } else {
    load_bits16(from, count, bits);
  }
}

TONGUEFORGE_INLINE void decode(DType dtype, const uint32_t* bits, float* values) {
  if (dtype == DType::BF16) {
    for (size_t i = 0; i < kBlock; ++i) values[i] = std::bit_cast<float>(bits[i] << 16);
  } else if (dtype == DType::F16) {
    for (size_t i = 0; i < kBlock; ++i) values[i] = f16_to_float(static_cast<uint16_t>(bits[i]));
  } else {
    std::memcpy(values, bits, kBlock * 4);
  }
}

TONGUEFORGE_INLINE void store_bits(DType dtype, const uint32_t* bits, size_t count, unsigned char* to) {
  if (dtype == DType::F32) {
    std::memcpy(to, bits, count * 4);
    return;
  }
  alignas(64) uint16_t narrow[kBlock];
  for (size_t i = 0; i < kBlock; ++i) narrow[i] = static_cast<uint16_t>(bits[i]);
  std::memcpy(to, narrow, count * 2);
}

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

TONGUEFORGE_INLINE size_t width(DType dtype) { return dtype == DType::F32 ? 4 : 2; }

TONGUEFORGE_INLINE void graft_blocks(const GraftSpan& span, float scale, GraftSums& sums) {
  const auto* target = static_cast<const unsigned char*>(span.target);
  const auto* base = static_cast<const unsigned char*>(span.base);
  const auto* chat = static_cast<const unsigned char*>(span.chat);
  auto* out = static_cast<unsigned char*>(span.out);
  Block block;
  for (size_t at = 0; at < span.num_elements; at += kBlock) {
    const size_t count = std::min(kBlock, span.num_elements - at);
    load_bits(span.base_dtype, base + at * width(span.base_dtype), count, block.out_bits);
    decode(span.base_dtype, block.out_bits, block.base);
    load_bits(span.chat_dtype, chat + at * width(span.chat_dtype), count, block.out_bits);
    decode(span.chat_dtype, block.out_bits, block.delta);
    load_bits(span.target_dtype, target + at * width(span.target_dtype), count, block.target_bits);
    decode(span.target_dtype, block.target_bits, block.target);
    subtract_base(block);
    blend(span.target_dtype, block, scale);
    add_sums(span.target_dtype, block, sums);
    store_bits(span.target_dtype, block.out_bits, count, out + at * width(span.target_dtype));
  }
}

void graft_any(const GraftSpan& span, float scale, GraftSums& sums) { graft_blocks(span, scale, sums); }

#if defined(__x86_64__)
__attribute__((target("avx2,fma,f16c"))) void graft_avx2(const GraftSpan& span, float scale,
                                                         GraftSums& sums) {
  graft_blocks(span, scale, sums);
}
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
#else
void graft_avx2(const GraftSpan& span, float scale, GraftSums& sums) { graft_blocks(span, scale, sums); }
bool has_avx2() { return false; }
#endif

}  // namespace

bool graft_supports(DType dtype) {
  return dtype == DType::BF16 || dtype == DType::F16 || dtype == DType::F32;
}

void graft_span(const GraftSpan& span, float scale, GraftSums& sums) {
  if (has_avx2()) {
    graft_avx2(span, scale, sums);
  } else {
    graft_any(span, scale, sums);
  }
}

}  // namespace tongueforge::merge

// The loops of few_rows.cpp: products of some rows of x with all rows of a weight, each sum in an order of
// its own, which neither the other rows nor the other outputs change: register by register of inputs, then
// the lanes of the one register that they were added up in.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>

#include "core/instructions.h"
#include "kernels/aten.h"
#include "kernels/simd.h"

namespace tongueforge::kernels::few_rows {

/// Outputs that are computed together. They lie far apart, so that the memory is read as so many long
/// streams: from neighbouring rows, side by side, it is read at half the speed.
constexpr int64_t kStreams = 4;

/// Weights of type T, results of type Y.
template <class T, class Y = T>
struct Product {
  const void* x;  // (M,I) of the loop's Input
  const T* weight;
  const float* maybe_scales;  // (O), of what each output is multiplied with before the bias
  const Y* maybe_bias;        // (O)
  Y* y;                       // (M,O)
  int64_t rows, inputs, outputs;
  int64_t weight_stride;  // elements from one output to the next
};

/// Whole numbers of 8 bits, each in 32.
template <int Bytes, class Int>
TONGUEFORGE_INLINE simd::Vector<int32_t, Bytes> widened(const Int* from, simd::Whole) {
  simd::Vector<Int, Bytes / 4> codes;
  std::memcpy(&codes, from, sizeof codes);
#if defined(__x86_64__)
  // GCC takes a conversion to four times the bits lane by lane.
  if constexpr (Bytes > 16) {
    simd::Vector<int32_t, Bytes> wide;
    if constexpr (std::is_signed_v<Int>)
      asm("vpmovsxbd %1, %0" : "=v"(wide) : "v"(codes));
    else
      asm("vpmovzxbd %1, %0" : "=v"(wide) : "v"(codes));
    return wide;
  }
#endif
  return __builtin_convertvector(codes, simd::Vector<int32_t, Bytes>);
}
template <int Bytes, class Int>
TONGUEFORGE_INLINE simd::Vector<int32_t, Bytes> widened(const Int* from, simd::Part part) {
  simd::Vector<int32_t, Bytes> wide = {};
  for (int64_t i = 0; i < part.count; i++) wide[i] = from[i];
  return wide;
}

/// x in float32, weights of any storage type, widened as they are read.
template <class T, int Bytes>
struct Widened {
  using Input = float;
  using Value = simd::Vector<float, Bytes>;
  static constexpr int64_t kStep = simd::Lanes<float, Bytes>::kCount;

  template <class Place>
  static TONGUEFORGE_INLINE Value input(const float* from, Place place) {
    return simd::Lanes<float, Bytes>::load(from, place);
  }
  template <class Place>
  static TONGUEFORGE_INLINE Value weight(const T* from, Place place) {
    if constexpr (std::is_same_v<T, int8_t>) {
      return __builtin_convertvector(widened<Bytes>(from, place), Value);
    } else {
      return simd::Lanes<T, Bytes>::load(from, place);
    }
  }
  static TONGUEFORGE_INLINE Value added(Value sums, Value x, Value w) { return sums + x * w; }
};

/// Both in bfloat16, by the instruction that multiplies pairs of them (AVX512_BF16): twice the rate.
struct Pairs {
  using Input = c10::BFloat16;
  using Value = simd::Vector<uint16_t, 64>;
  static constexpr int64_t kStep = 32;

  static TONGUEFORGE_INLINE Value input(const Input* from, simd::Whole) {
    Value value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  static TONGUEFORGE_INLINE Value input(const Input* from, simd::Part part) {
    Value value = {};
    for (int64_t i = 0; i < part.count; i++) value[i] = from[i].x;
    return value;
  }
  template <class Place>
  static TONGUEFORGE_INLINE Value weight(const Input* from, Place place) {
    return input(from, place);
  }
  // The intrinsic wants its instructions switched on where it stands, which a function that is inlined into
  // loops of every level cannot have.
  static TONGUEFORGE_INLINE simd::Vector<float, 64> added(simd::Vector<float, 64> sums, Value x, Value w) {
#if defined(__x86_64__)
    asm("vdpbf16ps %2, %1, %0" : "+v"(sums) : "v"(x), "v"(w));
#else
    (void)x, (void)w;
#endif
    return sums;
  }
};

/// As simd::sum, in registers.
template <class Value>
TONGUEFORGE_INLINE float lane_sum(Value value) {
  if constexpr (sizeof(Value) == 16) {
    return (value[0] + value[2]) + (value[1] + value[3]);
  } else {
    struct Halves {
      simd::Vector<float, sizeof(Value) / 2> low, high;
    };
    const auto halves = std::bit_cast<Halves>(value);
    return lane_sum(halves.low + halves.high);
  }
}

/// R rows of x from `row` on times C outputs, `apart` from each other, from `first` on.
template <class Loop, int Bytes, int R, int C, class T, class Y>
TONGUEFORGE_INLINE void tile(const Product<T, Y>& p, int64_t row, int64_t first, int64_t apart) {
  const auto* const x = static_cast<const typename Loop::Input*>(p.x) + row * p.inputs;
  const T* const w = p.weight + first * p.weight_stride;
  const int64_t stream = apart * p.weight_stride;
  simd::Vector<float, Bytes> sums[R][C] = {};
  const auto step = [&](int64_t i, auto place) TONGUEFORGE_INLINED {
    typename Loop::Value inputs[R];
    for (int r = 0; r < R; r++) inputs[r] = Loop::input(x + r * p.inputs + i, place);
    for (int c = 0; c < C; c++) {
      const auto weights = Loop::weight(w + c * stream + i, place);
      for (int r = 0; r < R; r++) sums[r][c] = Loop::added(sums[r][c], inputs[r], weights);
    }
  };
  int64_t i = 0;
  for (; i + Loop::kStep <= p.inputs; i += Loop::kStep) step(i, simd::Whole{});
  if (i < p.inputs) step(i, simd::Part{p.inputs - i});
  for (int c = 0; c < C; c++) {
    const int64_t o = first + c * apart;
    const float bias = p.maybe_bias ? static_cast<float>(p.maybe_bias[o]) : 0.0f;
    const float scale = p.maybe_scales ? p.maybe_scales[o] : 1.0f;
    for (int r = 0; r < R; r++)
      p.y[(row + r) * p.outputs + o] = static_cast<Y>(lane_sum(sums[r][c]) * scale + bias);
  }
}

/// All rows of x times C outputs: the first tile reads the weights from memory, the others find them near.
template <class Loop, int Bytes, int C, class P>
TONGUEFORGE_INLINE void all_rows(const P& p, int64_t first, int64_t apart) {
  // As many sums as there are registers for.
  constexpr int kRows = Bytes == 64 ? 4 : 2;
  int64_t row = 0;
  for (; row + kRows <= p.rows; row += kRows) tile<Loop, Bytes, kRows, C>(p, row, first, apart);
  if constexpr (kRows == 4) {
    if (p.rows - row == 3) return tile<Loop, Bytes, 3, C>(p, row, first, apart);
    if (p.rows - row == 2) return tile<Loop, Bytes, 2, C>(p, row, first, apart);
  }
  if (row < p.rows) tile<Loop, Bytes, 1, C>(p, row, first, apart);
}

/// Outputs begin .. end-1.
template <class Loop, int Bytes, class P>
TONGUEFORGE_INLINE void outputs_of(const P& p, int64_t begin, int64_t end) {
  const int64_t apart = (end - begin) / kStreams;
  for (int64_t o = begin; o < begin + apart; o++) all_rows<Loop, Bytes, kStreams>(p, o, apart);
  for (int64_t o = begin + kStreams * apart; o < end; o++) all_rows<Loop, Bytes, 1>(p, o, 0);
}

/// Multiplications that one thread should have at least: some 5 us of work.
constexpr int64_t kMultiplications = int64_t{1} << 17;

/// loop(Width<bytes>, begin, end) for all outputs, in the registers of a level, on several threads where
/// there is work for them.
template <class Loop>
void in_parallel(int64_t outputs, int64_t of_an_output, Instructions level, const Loop& loop) {
  const int64_t least = std::max(kStreams, kMultiplications / std::max<int64_t>(1, of_an_output));
  at::parallel_for(0, outputs, least, [&](int64_t begin, int64_t end) {
    const auto run = [&](auto bytes) TONGUEFORGE_INLINED { loop(bytes, begin, end); };
#if defined(__x86_64__)
    if (level == Instructions::Avx512) return simd::run_avx512(run);
    if (level == Instructions::Avx2) return simd::run_avx2(run);
#endif
    run(simd::Width<16>{});
  });
}

}  // namespace tongueforge::kernels::few_rows

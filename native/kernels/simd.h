// Vector arithmetic for the CPU loops of this folder: one source, compiled for AVX-512, for AVX2 and for
// every other machine, the best of them chosen at run time.
//
// How a loop uses it:
//   vectorised([&](auto width) TONGUEFORGE_INLINED { my_loop<width()>(...); });
// where my_loop and all that it calls are TONGUEFORGE_INLINE templates over the width of a register in bytes.
// A function that is not inlined would be compiled for the plainest machine: correct, but slow.
#pragma once
#include <c10/util/BFloat16.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/instructions.h"

#define TONGUEFORGE_INLINED __attribute__((always_inline))
#define TONGUEFORGE_INLINE inline TONGUEFORGE_INLINED

// Vectors are never passed to a function that is not inlined, so how they would be passed does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace tongueforge::kernels::simd {

/// What sums of a storage type are kept in: float for bfloat16 and float, double for double.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class Scalar, int Bytes>
struct VectorOf {
  typedef Scalar type __attribute__((vector_size(Bytes)));
};
template <class Scalar, int Bytes>
using Vector = typename VectorOf<Scalar, Bytes>::type;

/// A whole register of elements, or the `count` last ones of a row; the missing lanes are read as zeros.
struct Whole {};
struct Part {
  int64_t count;
};

/// Registers of `Bytes` bytes that hold Wide<T>, filled from and written to memory of type T.
template <class T, int Bytes>
struct Lanes {
  using Scalar = Wide<T>;
  using Value = Vector<Scalar, Bytes>;
  static constexpr int64_t kCount = Bytes / static_cast<int64_t>(sizeof(Scalar));

  static TONGUEFORGE_INLINE Value load(const T* from, Whole) {
    Value value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  static TONGUEFORGE_INLINE void store(T* to, Value value, Whole) { std::memcpy(to, &value, sizeof value); }
  static TONGUEFORGE_INLINE Value load(const T* from, Part part) {
    Value value = {};
    for (int64_t i = 0; i < part.count; i++) value[i] = from[i];
    return value;
  }
  static TONGUEFORGE_INLINE void store(T* to, Value value, Part part) {
    for (int64_t i = 0; i < part.count; i++) to[i] = value[i];
  }
  /// As it would be read back after a store.
  static TONGUEFORGE_INLINE Value rounded(Value value) { return value; }
};

template <int Bytes>
struct Lanes<c10::BFloat16, Bytes> {
  using Scalar = float;
  using Value = Vector<float, Bytes>;
  using Bits = Vector<uint32_t, Bytes>;
  using Halves = Vector<uint16_t, Bytes / 2>;
  static constexpr int64_t kCount = Bytes / 4;

  static TONGUEFORGE_INLINE Value widen(Halves halves) {
    return reinterpret_cast<Value>(__builtin_convertvector(halves, Bits) << 16);
  }
  /// To the nearest, ties to even; NaN stays NaN.
  static TONGUEFORGE_INLINE Halves narrow(Value value) {
    const Bits bits = reinterpret_cast<Bits>(value);
    const Bits nearest = bits + 0x7fffu + ((bits >> 16) & 1u);
    const Bits result = (bits & 0x7fffffffu) > 0x7f800000u ? (bits | 0x400000u) : nearest;
    return __builtin_convertvector(result >> 16, Halves);
  }

  static TONGUEFORGE_INLINE Value load(const c10::BFloat16* from, Whole) {
    Halves halves;
    std::memcpy(&halves, from, sizeof halves);
    return widen(halves);
  }
  static TONGUEFORGE_INLINE void store(c10::BFloat16* to, Value value, Whole) {
    const Halves halves = narrow(value);
    std::memcpy(to, &halves, sizeof halves);
  }
  static TONGUEFORGE_INLINE Value load(const c10::BFloat16* from, Part part) {
    Halves halves = {};
    for (int64_t i = 0; i < part.count; i++) halves[i] = from[i].x;
    return widen(halves);
  }
  static TONGUEFORGE_INLINE void store(c10::BFloat16* to, Value value, Part part) {
    const Halves halves = narrow(value);
    for (int64_t i = 0; i < part.count; i++) to[i].x = halves[i];
  }
  static TONGUEFORGE_INLINE Value rounded(Value value) { return widen(narrow(value)); }
};

/// body(offset, Whole) for every full register of a row of n elements, then body(offset, Part) for the rest.
template <class T, int Bytes, class Body>
TONGUEFORGE_INLINE void for_lanes(int64_t n, Body body) {
  constexpr int64_t kCount = Lanes<T, Bytes>::kCount;
  int64_t i = 0;
  for (; i + kCount <= n; i += kCount) body(i, Whole{});
  if (i < n) body(i, Part{n - i});
}

/// Sum of all lanes, halves first: the same order on every machine of this register width.
template <class Value>
TONGUEFORGE_INLINE auto sum(Value value) {
  constexpr int kCount = sizeof(value) / sizeof(value[0]);
  std::remove_cvref_t<decltype(value[0])> lanes[kCount];
  std::memcpy(lanes, &value, sizeof value);
  for (int half = kCount / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  return lanes[0];
}

template <class Value>
TONGUEFORGE_INLINE auto largest(Value value) {
  constexpr int kCount = sizeof(value) / sizeof(value[0]);
  auto most = value[0];
  for (int i = 1; i < kCount; i++) most = value[i] > most ? value[i] : most;
  return most;
}

/// e^x within 2 ulp: 2^n times a polynomial in the remainder, |remainder| <= ln(2) / 2 (Cody and Waite 1980).
/// Results below the smallest normal number are 0, those from 2^127.5 on infinite; NaN stays NaN.
template <int Bytes>
TONGUEFORGE_INLINE Vector<float, Bytes> exp_float(Vector<float, Bytes> x) {
  using Value = Vector<float, Bytes>;
  using Bits = Vector<uint32_t, Bytes>;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves a whole number in the last bits
  const Value shifted = x * 1.44269504f + kRound;
  const Value n = shifted - kRound;
  const Value r = (x - n * 0.693145752f) - n * 1.42860677e-6f;  // ln(2) in two parts, the first exact
  Value p = r * 1.3888889e-3f + 8.3333333e-3f;
  p = p * r + 4.1666667e-2f;
  p = p * r + 1.6666667e-1f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const Bits power = (reinterpret_cast<Bits>(shifted) << 23) + 0x3f800000u;
  const Value result = p * reinterpret_cast<Value>(power);
  const Value zero = {};
  const Value capped = x > 88.37f ? zero + INFINITY : result;
  return x < -87.33f ? zero : capped;
}

template <class Value>
TONGUEFORGE_INLINE Value exp(Value x) {
  if constexpr (std::is_same_v<std::remove_cvref_t<decltype(x[0])>, float>) {
    return exp_float<sizeof(Value)>(x);
  } else {
    for (size_t i = 0; i < sizeof(Value) / sizeof(x[0]); i++) x[i] = std::exp(x[i]);
    return x;
  }
}

template <int Bytes>
using Width = std::integral_constant<int, Bytes>;

#if defined(__x86_64__)
template <class Loop>
__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma"))) void run_avx512(const Loop& loop) {
  loop(Width<64>{});
}
template <class Loop>
__attribute__((target("avx2,fma"))) void run_avx2(const Loop& loop) {
  loop(Width<32>{});
}
#endif

/// Runs loop(Width<bytes>) in the widest registers that instructions() allows.
template <class Loop>
void vectorised(const Loop& loop) {
#if defined(__x86_64__)
  if (instructions() == Instructions::Avx512) return run_avx512(loop);
  if (instructions() == Instructions::Avx2) return run_avx2(loop);
#endif
  loop(Width<16>{});
}

}  // namespace tongueforge::kernels::simd

#include "kernels/few_rows_codes.h"

#include <algorithm>
#include <utility>

#include "kernels/aten.h"
#include "kernels/few_rows_loops.h"

namespace tongueforge::kernels {
namespace few_rows {

/// Weights of 4 bits. A byte holds the codes of an even and of an odd input: so do the rows of x, apart.
template <class Y>
struct HalfBytes {
  const float *even, *odd;  // (M,I/2)
  const uint8_t* codes;     // code + 8
  int64_t stride;           // bytes from one output to the next
  const float* scales;      // (O,G)
  const int8_t* maybe_zeros;
  const Y* maybe_bias;
  Y* y;  // (M,O)
  int64_t rows, half, outputs, groups;
};

/// Codes -> weights of one group: codes times the scale, plus what code 0 stands for. Of a code its last four
/// bits count.
template <int Bytes>
class Grid {
 public:
  using Value = simd::Vector<float, Bytes>;
  using Ints = simd::Vector<int32_t, Bytes>;

  TONGUEFORGE_INLINE Grid(float scale, float least) : scale_(scale), least_(least) {}
  TONGUEFORGE_INLINE Value of(Ints codes) const {
    return __builtin_convertvector(codes & 15, Value) * scale_ + least_;
  }

 private:
  float scale_, least_;
};

#if defined(__x86_64__)
/// A register holds the weights of all 16 codes: one instruction looks them up.
template <>
class Grid<64> {
 public:
  using Value = simd::Vector<float, 64>;
  using Ints = simd::Vector<int32_t, 64>;

  TONGUEFORGE_INLINE Grid(float scale, float least) {
    const Value codes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    weights_ = codes * scale + least;
  }
  TONGUEFORGE_INLINE Value of(Ints codes) const {
    Value found;
    asm("vpermps %2, %1, %0" : "=v"(found) : "v"(codes), "v"(weights_));
    return found;
  }

 private:
  Value weights_;
};
#endif

template <class Y>
TONGUEFORGE_INLINE float zero_at(const HalfBytes<Y>& p, int64_t at) {
  return 8.0f + (p.maybe_zeros ? static_cast<float>(p.maybe_zeros[at]) : 0.0f);
}

template <int Bytes, int C>
struct Grids {
  Grid<Bytes> of[C];
  template <class Make>
  TONGUEFORGE_INLINE explicit Grids(const Make& make) : Grids(make, std::make_integer_sequence<int, C>()) {}
  template <class Make, int... Is>
  TONGUEFORGE_INLINE Grids(const Make& make, std::integer_sequence<int, Is...>) : of{make(Is)...} {}
};

template <class Loop, int Bytes, int R, int C, class Y>
TONGUEFORGE_INLINE void tile(const HalfBytes<Y>& p, int64_t row, int64_t first, int64_t apart) {
  using X = simd::Lanes<float, Bytes>;
  simd::Vector<float, Bytes> sums[R][C] = {};
  const int64_t group = p.half / p.groups;
  for (int64_t g = 0; g < p.groups; g++) {
    const auto grid = [&](int c) TONGUEFORGE_INLINED {
      const int64_t at = (first + c * apart) * p.groups + g;
      return Grid<Bytes>(p.scales[at], -zero_at(p, at) * p.scales[at]);
    };
    const Grids<Bytes, C> grids(grid);
    const auto step = [&](int64_t i, auto place) TONGUEFORGE_INLINED {
      simd::Vector<float, Bytes> even[R], odd[R];
      for (int r = 0; r < R; r++) {
        even[r] = X::load(p.even + (row + r) * p.half + i, place);
        odd[r] = X::load(p.odd + (row + r) * p.half + i, place);
      }
      for (int c = 0; c < C; c++) {
        const auto pairs = widened<Bytes>(p.codes + (first + c * apart) * p.stride + i, place);
        const auto low = grids.of[c].of(pairs), high = grids.of[c].of(pairs >> 4);
        for (int r = 0; r < R; r++) sums[r][c] = sums[r][c] + even[r] * low;
        for (int r = 0; r < R; r++) sums[r][c] = sums[r][c] + odd[r] * high;
      }
    };
    int64_t i = g * group;
    const int64_t end = i + group;
    for (; i + X::kCount <= end; i += X::kCount) step(i, simd::Whole{});
    if (i < end) step(i, simd::Part{end - i});
  }
  for (int c = 0; c < C; c++) {
    const int64_t o = first + c * apart;
    const float bias = p.maybe_bias ? static_cast<float>(p.maybe_bias[o]) : 0.0f;
    for (int r = 0; r < R; r++) p.y[(row + r) * p.outputs + o] = static_cast<Y>(lane_sum(sums[r][c]) + bias);
  }
}

}  // namespace few_rows

namespace {

constexpr int64_t kCodesPerWord = 8;

bool is_dense(const at::Tensor& x, at::ScalarType type) {
  return x.is_cpu() && x.dim() == 2 && x.is_contiguous() && x.scalar_type() == type;
}

template <class Y>
const Y* data_of(const at::Tensor& maybe) {
  return maybe.defined() ? maybe.const_data_ptr<Y>() : nullptr;
}

template <class Y>
void bytes_into(const at::Tensor& y, const at::Tensor& x_MI, const CodedWeight& w,
                const at::Tensor& maybe_bias, Instructions level) {
  const few_rows::Product<int8_t, Y> p = {.x = x_MI.const_data_ptr(),
                                          .weight = w.codes.const_data_ptr<int8_t>(),
                                          .maybe_scales = w.scales_OG.const_data_ptr<float>(),
                                          .maybe_bias = data_of<Y>(maybe_bias),
                                          .y = y.mutable_data_ptr<Y>(),
                                          .rows = x_MI.size(0),
                                          .inputs = w.inputs,
                                          .outputs = w.codes.size(0),
                                          .weight_stride = w.inputs};
  few_rows::in_parallel(p.outputs, p.inputs * p.rows, level,
                        [&](auto bytes, int64_t begin, int64_t end) TONGUEFORGE_INLINED {
                          few_rows::outputs_of<few_rows::Widened<int8_t, bytes()>, bytes()>(p, begin, end);
                        });
}

template <class Y>
void half_bytes_into(const at::Tensor& y, const at::Tensor& x_MI, const CodedWeight& w,
                     const at::Tensor& maybe_bias, Instructions level) {
  const int64_t half = w.inputs / 2;
  const auto even_odd_MI = x_MI.view({-1, half, 2}).permute({2, 0, 1}).contiguous();
  const float* const even = even_odd_MI.const_data_ptr<float>();
  const few_rows::HalfBytes<Y> p = {
      .even = even,
      .odd = even + x_MI.size(0) * half,
      .codes = reinterpret_cast<const uint8_t*>(w.codes.const_data_ptr<int32_t>()),
      .stride = w.codes.size(1) * static_cast<int64_t>(sizeof(int32_t)),
      .scales = w.scales_OG.const_data_ptr<float>(),
      .maybe_zeros = data_of<int8_t>(w.maybe_zeros_OG),
      .maybe_bias = data_of<Y>(maybe_bias),
      .y = y.mutable_data_ptr<Y>(),
      .rows = x_MI.size(0),
      .half = half,
      .outputs = w.codes.size(0),
      .groups = w.scales_OG.size(1)};
  few_rows::in_parallel(p.outputs, w.inputs * p.rows, level,
                        [&](auto bytes, int64_t begin, int64_t end)
                            TONGUEFORGE_INLINED { few_rows::outputs_of<void, bytes()>(p, begin, end); });
}

template <class Y>
void product_into(const at::Tensor& y, const at::Tensor& x_MI, const CodedWeight& w,
                  const at::Tensor& maybe_bias, Instructions level) {
  if (w.bits == 4) return half_bytes_into<Y>(y, x_MI, w, maybe_bias, level);
  bytes_into<Y>(y, x_MI, w, maybe_bias, level);
}

}  // namespace

bool takes_coded(const CodedWeight& w) {
  if (w.codes.dim() != 2 || !is_dense(w.scales_OG, at::kFloat) || w.scales_OG.size(0) != w.codes.size(0))
    return false;
  const int64_t groups = w.scales_OG.size(1);
  const auto& zeros = w.maybe_zeros_OG;
  if (w.bits == 8)
    return groups == 1 && !zeros.defined() && is_dense(w.codes, at::kChar) && w.codes.size(1) == w.inputs;
  return w.bits == 4 && groups > 0 && w.inputs % (groups * kCodesPerWord) == 0 &&
         is_dense(w.codes, at::kInt) && w.codes.size(1) == w.inputs / kCodesPerWord &&
         (!zeros.defined() || (is_dense(zeros, at::kChar) && zeros.sizes() == w.scales_OG.sizes()));
}

at::Tensor coded_linear(const at::Tensor& x, const CodedWeight& weight, const at::Tensor& maybe_bias,
                        Instructions level) {
  const at::NoGradGuard no_grad;
  auto sizes = x.sizes().vec();
  sizes.back() = weight.codes.size(0);
  const auto y = at::empty(sizes, x.options());
  const auto x_MI = x.reshape({-1, weight.inputs}).to(at::kFloat).contiguous();
  const auto bias = maybe_bias.defined() ? maybe_bias.contiguous() : maybe_bias;
  if (x.scalar_type() == at::kFloat)
    product_into<float>(y, x_MI, weight, bias, level);
  else
    product_into<at::BFloat16>(y, x_MI, weight, bias, level);
  return y;
}

}  // namespace tongueforge::kernels

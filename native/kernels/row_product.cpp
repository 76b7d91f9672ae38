#include "kernels/row_product.h"

#include "kernels/dispatch.h"
#include "kernels/simd.h"

namespace tongueforge::kernels {
namespace {

using namespace simd;

// As with at::GradMode, a property of the thread that calls, not of the program.
thread_local bool rowwise = false;

// ---- loops over raw memory ----

template <class T>
struct Product {
  const T *x, *weight, *bias;  // (M,in), (out,in), (out) or null
  T* y;                        // (M,out)
  int64_t rows, in, out;
};

constexpr int64_t kOuts = 4;  // of a tile: each register of x is multiplied so often

// Rows of a tile, so that its sums fit the registers of the machine.
template <int Bytes>
constexpr int64_t kRows = Bytes == 64 ? 4 : 2;

// Rows x Outs values of y. The sum of each runs over its row in registers, then over the lanes: in the same
// order in a tile of any size.
template <int Bytes, int64_t Rows, int64_t Outs, class T>
TONGUEFORGE_INLINE void tile(const Product<T>& p, int64_t row, int64_t out) {
  using L = Lanes<T, Bytes>;
  const T* __restrict x = p.x + row * p.in;
  const T* __restrict w = p.weight + out * p.in;
  typename L::Value sums[Rows][Outs] = {};
  for_lanes<T, Bytes>(p.in, [&](int64_t i, auto n) TONGUEFORGE_INLINED {
    typename L::Value weights[Outs];
#pragma GCC unroll 4
    for (int64_t o = 0; o < Outs; o++) weights[o] = L::load(w + o * p.in + i, n);
#pragma GCC unroll 4
    for (int64_t r = 0; r < Rows; r++) {
      const auto v = L::load(x + r * p.in + i, n);
#pragma GCC unroll 4
      for (int64_t o = 0; o < Outs; o++) sums[r][o] += v * weights[o];
    }
  });
  for (int64_t r = 0; r < Rows; r++)
    for (int64_t o = 0; o < Outs; o++) {
      const float bias = p.bias ? static_cast<float>(p.bias[out + o]) : 0.0f;
      p.y[(row + r) * p.out + out + o] = static_cast<T>(simd::sum(sums[r][o]) + bias);
    }
}

template <int Bytes, int64_t Outs, class T>
TONGUEFORGE_INLINE void all_rows(const Product<T>& p, int64_t out) {
  int64_t row = 0;
  for (; row + kRows<Bytes> <= p.rows; row += kRows<Bytes>) tile<Bytes, kRows<Bytes>, Outs>(p, row, out);
  for (; row < p.rows; row++) tile<Bytes, 1, Outs>(p, row, out);
}

template <int Bytes, class T>
TONGUEFORGE_INLINE void some_outs(const Product<T>& p, int64_t begin, int64_t end) {
  int64_t out = begin;
  for (; out + kOuts <= end; out += kOuts) all_rows<Bytes, kOuts>(p, out);
  for (; out < end; out++) all_rows<Bytes, 1>(p, out);
}

// ---- tensors ----

constexpr int64_t kMultiplicationsPerThread = 32768;

}  // namespace

RowwiseScope::RowwiseScope() : before_(std::exchange(rowwise, true)) {}
RowwiseScope::~RowwiseScope() { rowwise = before_; }
bool RowwiseScope::is_open() { return rowwise; }

bool takes_row_product(const at::Tensor& x, const at::Tensor& weight) {
  const auto type = x.scalar_type();
  return x.is_cpu() && weight.is_cpu() && (type == at::kFloat || type == at::kBFloat16) &&
         weight.scalar_type() == type &&
         !(at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad()));
}

at::Tensor row_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& maybe_bias) {
  const at::NoGradGuard no_grad;
  const auto x_MI = x.reshape({-1, x.size(-1)}).contiguous(), weight_OI = weight.contiguous();
  const auto bias_O = maybe_bias.defined() ? maybe_bias.contiguous() : maybe_bias;
  auto sizes = x.sizes().vec();
  sizes.back() = weight.size(0);
  const auto y = at::empty(sizes, x.options());
  for_dtype(x.scalar_type(), [&]<class T>(T) {
    if constexpr (!std::is_same_v<T, double>) {
      const Product<T> p = {x_MI.const_data_ptr<T>(),
                            weight_OI.const_data_ptr<T>(),
                            bias_O.defined() ? bias_O.const_data_ptr<T>() : nullptr,
                            y.mutable_data_ptr<T>(),
                            x_MI.size(0),
                            weight_OI.size(1),
                            weight_OI.size(0)};
      const int64_t tiles = (p.out + kOuts - 1) / kOuts;
      const int64_t grain =
          std::max<int64_t>(1, kMultiplicationsPerThread / std::max<int64_t>(1, kOuts * p.rows * p.in));
      at::parallel_for(0, tiles, grain, [&](int64_t begin, int64_t end) {
        vectorised([&](auto width) TONGUEFORGE_INLINED {
          some_outs<width()>(p, begin * kOuts, std::min(end * kOuts, p.out));
        });
      });
    }
  });
  return y;
}

}  // namespace tongueforge::kernels

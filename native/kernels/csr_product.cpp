#include "kernels/csr_product.h"

#include <algorithm>

#include "kernels/aten.h"
#include "kernels/dispatch.h"
#include "kernels/simd.h"

namespace tongueforge::kernels {
namespace {

// Rows of x that are multiplied together, side by side, so that each stored value meets whole registers of
// them: as many as there are, up to the largest panel.
constexpr int64_t kPanelStep = 16, kLargestPanel = 32;
// Outputs that are written together: a cache line of a row of y.
constexpr int64_t kLine = 16;
// Up to here rows of x are multiplied one by one.
constexpr int64_t kFewRows = 2;

struct Panel {
  float* x;  // (I,width)
  int64_t rows, width;
};

// x (rows,I) -> panel; the missing rows are zeros.
void fill(const Panel& panel, const float* x, int64_t inputs) {
  for (int64_t i = 0; i < inputs; i += kLine) {
    const int64_t end = std::min(i + kLine, inputs);
    for (int64_t m = 0; m < panel.rows; m++)
      for (int64_t k = i; k < end; k++) panel.x[k * panel.width + m] = x[m * inputs + k];
    for (int64_t k = i; k < end; k++)
      std::fill(panel.x + k * panel.width + panel.rows, panel.x + (k + 1) * panel.width, 0.0f);
  }
}

// One output of all rows of a panel. Values take turns between two sums, so that additions wait less for each
// other.
template <int Bytes, int64_t Width>
TONGUEFORGE_INLINE void panel_row(const float* values, const uint16_t* inputs_of, int64_t count,
                                  const float* panel, float* out) {
  using L = simd::Lanes<float, Bytes>;
  constexpr int64_t kRegisters = Width / L::kCount;
  const simd::Whole whole;
  typename L::Value even[kRegisters] = {}, odd[kRegisters] = {};
  const auto add = [&](int64_t k, typename L::Value* sums) TONGUEFORGE_INLINED {
    const float* const x = panel + int64_t{inputs_of[k]} * Width;
    for (int64_t r = 0; r < kRegisters; r++) sums[r] += values[k] * L::load(x + r * L::kCount, whole);
  };
  int64_t k = 0;
  for (; k + 2 <= count; k += 2) {
    add(k, even);
    add(k + 1, odd);
  }
  if (k < count) add(k, even);
  for (int64_t r = 0; r < kRegisters; r++) L::store(out + r * L::kCount, even[r] + odd[r], whole);
}

// Outputs begin .. end-1 of the rows of a panel into y (rows,O).
template <int Bytes, int64_t Width>
TONGUEFORGE_INLINE void panel_product(const CsrMatrix& weight, const float* bias, const Panel& panel,
                                      int64_t begin, int64_t end, float* y) {
  alignas(64) float block[kLine][Width];
  for (int64_t first = begin; first < end; first += kLine) {
    const int64_t outputs = std::min(kLine, end - first);
    for (int64_t o = 0; o < outputs; o++) {
      const int64_t at = weight.begins[static_cast<size_t>(first + o)];
      const int64_t count = weight.begins[static_cast<size_t>(first + o + 1)] - at;
      panel_row<Bytes, Width>(weight.values.data() + at, weight.inputs_of.data() + at, count, panel.x,
                              block[o]);
    }
    for (int64_t m = 0; m < panel.rows; m++)
      for (int64_t o = 0; o < outputs; o++)
        y[m * weight.outputs + first + o] = block[o][m] + (bias ? bias[first + o] : 0.0f);
  }
}

void panel_product(const CsrMatrix& weight, const float* bias, const Panel& panel, int64_t begin, int64_t end,
                   float* y) {
  simd::vectorised([&](auto bytes) TONGUEFORGE_INLINED {
    if (panel.width == kPanelStep)
      return panel_product<bytes(), kPanelStep>(weight, bias, panel, begin, end, y);
    panel_product<bytes(), kLargestPanel>(weight, bias, panel, begin, end, y);
  });
}

// One row of x: eight sums, so that additions need not wait for each other.
float row_product(const float* values, const uint16_t* inputs_of, int64_t count, const float* x) {
  constexpr int64_t kSums = 8;
  float sums[kSums] = {};
  int64_t k = 0;
  for (; k + kSums <= count; k += kSums)
    for (int64_t s = 0; s < kSums; s++) sums[s] += values[k + s] * x[inputs_of[k + s]];
  for (int64_t s = 0; k < count; k++, s++) sums[s] += values[k] * x[inputs_of[k]];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

}  // namespace

CsrMatrix csr_matrix(const at::Tensor& weight_OI) {
  const auto dense = weight_OI.detach().contiguous();
  CsrMatrix csr;
  csr.outputs = dense.size(0);
  csr.inputs = dense.size(1);
  const float* w = dense.const_data_ptr<float>();
  csr.begins.push_back(0);
  for (int64_t o = 0; o < csr.outputs; o++, w += csr.inputs) {
    for (int64_t i = 0; i < csr.inputs; i++) {
      if (w[i] == 0) continue;
      csr.inputs_of.push_back(static_cast<uint16_t>(i));
      csr.values.push_back(w[i]);
    }
    csr.begins.push_back(static_cast<int64_t>(csr.values.size()));
  }
  return csr;
}

namespace {

void multiply_few(const CsrMatrix& weight, const float* bias, const float* x, int64_t rows, int64_t begin,
                  int64_t end, float* y) {
  for (int64_t o = begin; o < end; o++) {
    const int64_t at = weight.begins[static_cast<size_t>(o)];
    const int64_t count = weight.begins[static_cast<size_t>(o + 1)] - at;
    for (int64_t m = 0; m < rows; m++)
      y[m * weight.outputs + o] =
          row_product(weight.values.data() + at, weight.inputs_of.data() + at, count, x + m * weight.inputs) +
          (bias ? bias[o] : 0.0f);
  }
}

// Outputs that one thread should have at least.
int64_t outputs_per_thread(const CsrMatrix& weight, int64_t rows) {
  const int64_t values = std::max<int64_t>(weight.begins.back() * rows, 1);
  return std::max(kLine, kElementsPerThread * weight.outputs / values);
}

}  // namespace

at::Tensor csr_linear(const at::Tensor& x, const CsrMatrix& weight, const at::Tensor& maybe_bias) {
  const at::NoGradGuard no_grad;
  const auto x_MI = x.reshape({-1, weight.inputs}).contiguous();
  const auto bias_O = maybe_bias.defined() ? maybe_bias.contiguous() : maybe_bias;
  const float* const bias = bias_O.defined() ? bias_O.const_data_ptr<float>() : nullptr;
  auto sizes = x.sizes().vec();
  sizes.back() = weight.outputs;
  const auto y = at::empty(sizes, x.options());
  const float* const from = x_MI.const_data_ptr<float>();
  float* const to = y.mutable_data_ptr<float>();
  const int64_t rows = x_MI.size(0);
  if (rows <= kFewRows) {
    at::parallel_for(0, weight.outputs, outputs_per_thread(weight, rows), [&](int64_t begin, int64_t end) {
      multiply_few(weight, bias, from, rows, begin, end, to);
    });
    return y;
  }
  const auto room = at::empty({weight.inputs, std::min(kLargestPanel, rows + kPanelStep - 1)}, x.options());
  for (int64_t m = 0; m < rows; m += kLargestPanel) {
    const int64_t count = std::min(kLargestPanel, rows - m);
    const Panel panel = {room.mutable_data_ptr<float>(), count,
                         (count + kPanelStep - 1) / kPanelStep * kPanelStep};
    fill(panel, from + m * weight.inputs, weight.inputs);
    at::parallel_for(0, weight.outputs, outputs_per_thread(weight, count), [&](int64_t begin, int64_t end) {
      panel_product(weight, bias, panel, begin, end, to + m * weight.outputs);
    });
  }
  return y;
}

}  // namespace tongueforge::kernels

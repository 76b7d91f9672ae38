#include "kernels/swiglu.h"

#include "kernels/autograd.h"
#include "kernels/cuda/glue.h"
#include "kernels/dispatch.h"
#include "kernels/reference.h"
#include "kernels/simd.h"
#include "kernels/swiglu_cuda.h"

namespace tongueforge::kernels {
namespace {

using namespace simd;

// ---- loops over rows of raw memory ----

template <class Value>
TONGUEFORGE_INLINE Value sigmoid(Value x) {
  return 1 / (1 + simd::exp(-x));
}

template <int Bytes, class T>
TONGUEFORGE_INLINE void forward_row(const T* __restrict gate, const T* __restrict up, T* __restrict y,
                                    int64_t f) {
  using L = Lanes<T, Bytes>;
  for_lanes<T, Bytes>(f, [&](int64_t i, auto n) TONGUEFORGE_INLINED {
    const auto g = L::load(gate + i, n);
    L::store(y + i, g * sigmoid(g) * L::load(up + i, n), n);
  });
}

template <int Bytes, class T>
TONGUEFORGE_INLINE void backward_row(const T* __restrict gate, const T* __restrict up,
                                     const T* __restrict grad_y, T* __restrict grad_gate,
                                     T* __restrict grad_up, int64_t f) {
  using L = Lanes<T, Bytes>;
  for_lanes<T, Bytes>(f, [&](int64_t i, auto n) TONGUEFORGE_INLINED {
    const auto g = L::load(gate + i, n), d = L::load(grad_y + i, n);
    const auto s = sigmoid(g);
    L::store(grad_gate + i, d * L::load(up + i, n) * s * (1 + g * (1 - s)), n);
    L::store(grad_up + i, d * g * s, n);
  });
}

// ---- tensors ----

/// (..., F) as rows (M,F), without a copy where the rows are evenly spaced.
at::Tensor as_rows(const at::Tensor& x) {
  const auto rows = x.reshape({-1, x.size(-1)});
  return rows.stride(1) == 1 ? rows : rows.contiguous();
}

template <class RowLoop>
void for_rows(int64_t rows, int64_t length, const RowLoop& loop) {
  at::parallel_for(0, rows, rows_per_thread(length), [&](int64_t begin, int64_t end) {
    vectorised([&](auto width) TONGUEFORGE_INLINED {
      for (int64_t row = begin; row < end; row++) loop(width, row);
    });
  });
}

// Of rows (M,F), on the device.
cuda::ConstRows read(const at::Tensor& x) { return {x.const_data_ptr(), x.stride(0)}; }
cuda::Rows written(const at::Tensor& x) { return {x.mutable_data_ptr(), x.stride(0)}; }

at::Tensor forward(const at::Tensor& gate, const at::Tensor& up) {
  const auto gate_MF = as_rows(gate), up_MF = as_rows(up);
  const int64_t m = gate_MF.size(0), f = gate_MF.size(1);
  auto y_MF = at::empty({m, f}, gate.options());
  if constexpr (cuda::kBuilt)
    if (gate.is_cuda()) {
      cuda::swiglu_forward(cuda::element_of(gate), {read(gate_MF), read(up_MF), written(y_MF), m, f},
                           cuda::stream_of(gate));
      return y_MF.view(gate.sizes());
    }
  for_dtype(gate.scalar_type(), [&]<class T>(T) {
    const auto *g = gate_MF.const_data_ptr<T>(), *u = up_MF.const_data_ptr<T>();
    auto* y = y_MF.template mutable_data_ptr<T>();
    const int64_t g_row = gate_MF.stride(0), u_row = up_MF.stride(0);
    for_rows(m, f, [&](auto width, int64_t row) TONGUEFORGE_INLINED {
      forward_row<width()>(g + row * g_row, u + row * u_row, y + row * f, f);
    });
  });
  return y_MF.view(gate.sizes());
}

// Writes into grad_gate and grad_up (M,F), whose rows may lie apart.
void backward(const at::Tensor& gate, const at::Tensor& up, const at::Tensor& grad_y, at::Tensor grad_gate,
              at::Tensor grad_up) {
  const auto gate_MF = as_rows(gate), up_MF = as_rows(up), grad_MF = as_rows(grad_y);
  const int64_t m = gate_MF.size(0), f = gate_MF.size(1);
  if constexpr (cuda::kBuilt)
    if (gate.is_cuda())
      return cuda::swiglu_backward(
          cuda::element_of(gate),
          {read(gate_MF), read(up_MF), read(grad_MF), written(grad_gate), written(grad_up), m, f},
          cuda::stream_of(gate));
  for_dtype(gate.scalar_type(), [&]<class T>(T) {
    const auto *g = gate_MF.const_data_ptr<T>(), *u = up_MF.const_data_ptr<T>();
    const auto* d = grad_MF.const_data_ptr<T>();
    auto *dg = grad_gate.template mutable_data_ptr<T>(), *du = grad_up.template mutable_data_ptr<T>();
    const int64_t g_row = gate_MF.stride(0), u_row = up_MF.stride(0), d_row = grad_MF.stride(0);
    const int64_t dg_row = grad_gate.stride(0), du_row = grad_up.stride(0);
    for_rows(m, f, [&](auto width, int64_t row) TONGUEFORGE_INLINED {
      backward_row<width()>(g + row * g_row, u + row * u_row, d + row * d_row, dg + row * dg_row,
                            du + row * du_row, f);
    });
  });
}

struct Swiglu : torch::autograd::Function<Swiglu> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& gate,
                            const at::Tensor& up) {
    context->save_for_backward({gate, up});
    return kernels::forward(gate, up);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const std::vector<int64_t> rows = {-1, saved[0].size(-1)};
    const auto contiguous = saved[0].options();
    auto grad_gate = at::empty(saved[0].sizes(), contiguous),
         grad_up = at::empty(saved[1].sizes(), contiguous);
    kernels::backward(saved[0], saved[1], grads[0], grad_gate.view(rows), grad_up.view(rows));
    return {grad_gate, grad_up};
  }
};

struct PackedSwiglu : torch::autograd::Function<PackedSwiglu> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& gate_up) {
    context->save_for_backward({gate_up});
    const auto halves = gate_up.chunk(2, -1);
    return kernels::forward(halves[0], halves[1]);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto gate_up = context->get_saved_variables()[0];
    const auto halves = gate_up.chunk(2, -1);
    auto grad = at::empty(gate_up.sizes(), gate_up.options());
    const auto grad_halves = grad.view({-1, gate_up.size(-1)}).chunk(2, -1);
    kernels::backward(halves[0], halves[1], grads[0], grad_halves[0], grad_halves[1]);
    return {grad};
  }
};

}  // namespace

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  const bool has_own_code = has_fused_code(gate, up) || cuda::has_twin(gate, up);
  return has_own_code ? Swiglu::apply(gate, up) : reference::swiglu(gate, up);
}

at::Tensor swiglu(const at::Tensor& gate_up) {
  if (has_fused_code(gate_up) || cuda::has_twin(gate_up)) return PackedSwiglu::apply(gate_up);
  const auto halves = gate_up.chunk(2, -1);
  return reference::swiglu(halves[0], halves[1]);
}

}  // namespace tongueforge::kernels

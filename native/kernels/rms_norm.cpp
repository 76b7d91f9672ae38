#include "kernels/rms_norm.h"

#include "kernels/autograd.h"
#include "kernels/cuda/glue.h"
#include "kernels/dispatch.h"
#include "kernels/reference.h"
#include "kernels/rms_norm_cuda.h"
#include "kernels/simd.h"

namespace tongueforge::kernels {
namespace {

using namespace simd;

// ---- loops over rows of raw memory ----

template <class T>
struct Forward {
  const T *x, *branch, *weight;  // (M,D), (M,D) or null, (D)
  T *sum, *y;                    // (M,D): x + branch, not written without a branch; its norm
  Wide<T>* rstd;                 // (M): 1 / sqrt(mean(x^2) + eps)
  int64_t d;
  double eps;
};

template <int Bytes, class T>
TONGUEFORGE_INLINE void forward_row(const Forward<T>& f, int64_t row) {
  using L = Lanes<T, Bytes>;
  const T* __restrict x = f.x + row * f.d;
  T* __restrict y = f.y + row * f.d;
  typename L::Value squares = {};
  if (f.branch) {
    const T* __restrict branch = f.branch + row * f.d;
    T* __restrict sum = f.sum + row * f.d;
    for_lanes<T, Bytes>(f.d, [&](int64_t i, auto n) TONGUEFORGE_INLINED {
      const auto v = L::rounded(L::load(x + i, n) + L::load(branch + i, n));
      L::store(sum + i, v, n);
      squares += v * v;
    });
    x = sum;
  } else {
    for_lanes<T, Bytes>(f.d, [&](int64_t i, auto n) TONGUEFORGE_INLINED {
      const auto v = L::load(x + i, n);
      squares += v * v;
    });
  }
  const auto mean = simd::sum(squares) / static_cast<Wide<T>>(f.d);
  const auto rstd = 1 / std::sqrt(mean + static_cast<Wide<T>>(f.eps));
  f.rstd[row] = rstd;
  for_lanes<T, Bytes>(f.d, [&](int64_t i, auto n) TONGUEFORGE_INLINED {
    L::store(y + i, L::rounded(L::load(x + i, n) * rstd) * L::load(f.weight + i, n), n);
  });
}

template <class T>
struct Backward {
  const T *x, *weight, *grad_y;  // (M,D), (D), (M,D)
  const T* grad_sum;             // (M,D): what flows back along the residual stream; or null
  const Wide<T>* rstd;           // (M)
  T* grad_x;                     // (M,D)
  int64_t d;
};

// With n = x rstd and g = grad_y weight: grad_x = rstd (g - n mean(g n)), grad_weight += grad_y n.
template <int Bytes, class T>
TONGUEFORGE_INLINE void backward_row(const Backward<T>& b, int64_t row, Wide<T>* __restrict grad_weight) {
  using L = Lanes<T, Bytes>;
  using W = Lanes<Wide<T>, Bytes>;
  const T* __restrict x = b.x + row * b.d;
  const T* __restrict grad_y = b.grad_y + row * b.d;
  T* __restrict grad_x = b.grad_x + row * b.d;
  const auto rstd = b.rstd[row];
  typename L::Value dots = {};
  for_lanes<T, Bytes>(b.d, [&](int64_t i, auto n) TONGUEFORGE_INLINED {
    const auto v = L::load(x + i, n), g = L::load(grad_y + i, n);
    dots += g * L::load(b.weight + i, n) * v;
    W::store(grad_weight + i, W::load(grad_weight + i, n) + g * (v * rstd), n);
  });
  const auto slope = simd::sum(dots) * rstd * rstd * rstd / static_cast<Wide<T>>(b.d);
  const T* __restrict grad_sum = b.grad_sum ? b.grad_sum + row * b.d : nullptr;
  for_lanes<T, Bytes>(b.d, [&](int64_t i, auto n) TONGUEFORGE_INLINED {
    auto g = L::load(grad_y + i, n) * L::load(b.weight + i, n) * rstd - L::load(x + i, n) * slope;
    if (grad_sum) g += L::load(grad_sum + i, n);
    L::store(grad_x + i, g, n);
  });
}

// ---- tensors ----

struct Normed {
  at::Tensor sum, y, rstd;
};

const void* address_of(const at::Tensor& maybe) { return maybe.defined() ? maybe.const_data_ptr() : nullptr; }

void forward_on_cuda(const at::Tensor& x, const at::Tensor& branch, const at::Tensor& weight, double eps,
                     const Normed& out) {
  const cuda::RmsNormForward f{.x = x.const_data_ptr(),
                               .branch = address_of(branch),
                               .weight = weight.const_data_ptr(),
                               .sum = branch.defined() ? out.sum.mutable_data_ptr() : nullptr,
                               .y = out.y.mutable_data_ptr(),
                               .rstd = out.rstd.mutable_data_ptr(),
                               .rows = out.rstd.numel(),
                               .d = x.size(-1),
                               .eps = eps};
  cuda::rms_norm_forward(cuda::element_of(x), f, cuda::stream_of(x));
}

Normed forward(const at::Tensor& x, const at::Tensor& branch, const at::Tensor& weight, double eps) {
  const int64_t d = x.size(-1), rows = d > 0 ? x.numel() / d : 0;
  Normed out{branch.defined() ? at::empty_like(x) : x, at::empty_like(x),
             at::empty({rows}, x.options().dtype(wide_dtype(x)))};
  if constexpr (cuda::kBuilt)
    if (x.is_cuda()) return forward_on_cuda(x, branch, weight, eps, out), out;
  for_dtype(x.scalar_type(), [&]<class T>(T) {
    const Forward<T> f{x.const_data_ptr<T>(),
                       branch.defined() ? branch.const_data_ptr<T>() : nullptr,
                       weight.const_data_ptr<T>(),
                       branch.defined() ? out.sum.template mutable_data_ptr<T>() : nullptr,
                       out.y.template mutable_data_ptr<T>(),
                       out.rstd.template mutable_data_ptr<Wide<T>>(),
                       d,
                       eps};
    at::parallel_for(0, rows, rows_per_thread(d), [&](int64_t begin, int64_t end) {
      vectorised([&](auto width) TONGUEFORGE_INLINED {
        for (int64_t row = begin; row < end; row++) forward_row<width()>(f, row);
      });
    });
  });
  return out;
}

// The weight's gradient is summed over blocks of rows that do not depend on the number of threads, then over
// the blocks in their order: the same bytes for every number of threads.
constexpr int64_t kMaxBlocks = 64;

int64_t rows_per_block(int64_t rows, int64_t d) {
  return std::max(rows_per_thread(d), (rows + kMaxBlocks - 1) / kMaxBlocks);
}

std::pair<at::Tensor, at::Tensor> backward_on_cuda(const at::Tensor& x, const at::Tensor& weight,
                                                   const at::Tensor& rstd, const at::Tensor& grad_y,
                                                   const at::Tensor& grad_sum) {
  const int64_t d = x.size(-1), rows = rstd.numel();
  auto grad_x = at::empty_like(x);
  auto partial = at::empty({cuda::rms_norm_blocks(rows), d}, rstd.options());
  const cuda::RmsNormBackward b{.x = x.const_data_ptr(),
                                .weight = weight.const_data_ptr(),
                                .grad_y = grad_y.const_data_ptr(),
                                .grad_sum = address_of(grad_sum),
                                .rstd = rstd.const_data_ptr(),
                                .grad_x = grad_x.mutable_data_ptr(),
                                .partial = partial.mutable_data_ptr(),
                                .rows = rows,
                                .d = d};
  cuda::rms_norm_backward(cuda::element_of(x), b, cuda::stream_of(x));
  return {grad_x, partial.sum(0).to(weight.scalar_type())};
}

std::pair<at::Tensor, at::Tensor> backward(const at::Tensor& x, const at::Tensor& weight,
                                           const at::Tensor& rstd, const at::Tensor& grad_y,
                                           const at::Tensor& grad_sum) {
  if constexpr (cuda::kBuilt)
    if (x.is_cuda()) return backward_on_cuda(x, weight, rstd, grad_y, grad_sum);
  const int64_t d = x.size(-1), rows = rstd.numel();
  const int64_t block = rows_per_block(rows, d), num_blocks = (rows + block - 1) / block;
  auto grad_x = at::empty_like(x);
  auto partial = at::zeros({num_blocks, d}, rstd.options());
  for_dtype(x.scalar_type(), [&]<class T>(T) {
    const Backward<T> b{x.const_data_ptr<T>(),
                        weight.const_data_ptr<T>(),
                        grad_y.const_data_ptr<T>(),
                        grad_sum.defined() ? grad_sum.const_data_ptr<T>() : nullptr,
                        rstd.const_data_ptr<Wide<T>>(),
                        grad_x.template mutable_data_ptr<T>(),
                        d};
    auto* sums = partial.template mutable_data_ptr<Wide<T>>();
    at::parallel_for(0, num_blocks, 1, [&](int64_t begin, int64_t end) {
      vectorised([&](auto width) TONGUEFORGE_INLINED {
        for (int64_t i = begin; i < end; i++)
          for (int64_t row = i * block; row < std::min(rows, (i + 1) * block); row++)
            backward_row<width()>(b, row, sums + i * d);
      });
    });
  });
  return {grad_x, partial.sum(0).to(weight.scalar_type())};
}

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, double eps) {
    const auto rows = x.contiguous(), scale = weight.contiguous();
    const auto out = kernels::forward(rows, {}, scale, eps);
    context->save_for_backward({rows, scale, out.rstd});
    return out.y;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    auto [grad_x, grad_weight] = kernels::backward(saved[0], saved[1], saved[2], grads[0].contiguous(), {});
    return {grad_x, grad_weight, {}};
  }
};

struct AddRmsNorm : torch::autograd::Function<AddRmsNorm> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                const at::Tensor& x, const at::Tensor& branch,
                                                const at::Tensor& weight, double eps) {
    const auto scale = weight.contiguous();
    const auto out = kernels::forward(x.contiguous(), branch.contiguous(), scale, eps);
    context->save_for_backward({out.sum, scale, out.rstd});
    context->set_materialize_grads(false);
    return {out.sum, out.y};
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    if (!grads[1].defined()) return {grads[0], grads[0], {}, {}};  // only the sum was used
    const auto saved = context->get_saved_variables();
    const auto grad_sum = grads[0].defined() ? grads[0].contiguous() : at::Tensor();
    auto [grad_x, grad_weight] =
        kernels::backward(saved[0], saved[1], saved[2], grads[1].contiguous(), grad_sum);
    return {grad_x, grad_x, grad_weight, {}};
  }
};

template <class... Tensors>
bool has_own_code(const at::Tensor& x, const Tensors&... others) {
  return has_fused_code(x, others...) ||
         (cuda::has_twin(x, others...) && x.size(-1) <= cuda::kMaxRmsNormWidth);
}

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  return has_own_code(x, weight) ? RmsNorm::apply(x, weight, eps) : reference::rms_norm(x, weight, eps);
}

std::pair<at::Tensor, at::Tensor> add_rms_norm(const at::Tensor& x, const at::Tensor& branch,
                                               const at::Tensor& weight, double eps) {
  if (!has_own_code(x, branch, weight)) return reference::add_rms_norm(x, branch, weight, eps);
  const auto out = AddRmsNorm::apply(x, branch, weight, eps);
  return {out[0], out[1]};
}

}  // namespace tongueforge::kernels

#include "kernels/rotary.h"

#include "kernels/autograd.h"
#include "kernels/cuda/glue.h"
#include "kernels/dispatch.h"
#include "kernels/reference.h"
#include "kernels/rotary_cuda.h"
#include "kernels/simd.h"

namespace tongueforge::kernels {
namespace {

using namespace simd;

// ---- loops over raw memory ----

/// Heads (B,N,T,H) read from `x` and written to `y`, each by its own strides; H is dense in both.
template <class T>
struct Heads {
  const T* x;
  T* y;
  int64_t n, x_b, x_n, x_t, y_b, y_n, y_t;
};

template <class T>
struct Angles {
  const T *cos, *sin;  // (B|1,T,H)
  int64_t b, t;        // strides; b is 0 where all rows share their positions
};

// y1 = x1 cos - x2 sin, y2 = x2 cos + x1 sin; `sign` -1 turns back.
template <int Bytes, class T>
TONGUEFORGE_INLINE void turn(const T* __restrict x, T* __restrict y, const T* __restrict cos,
                             const T* __restrict sin, int64_t half, Wide<T> sign) {
  using L = Lanes<T, Bytes>;
  for_lanes<T, Bytes>(half, [&](int64_t i, auto n) TONGUEFORGE_INLINED {
    const auto x1 = L::load(x + i, n), x2 = L::load(x + half + i, n);
    const auto c = L::load(cos + i, n), s = L::load(sin + i, n) * sign;
    L::store(y + i, x1 * c - x2 * s, n);
    L::store(y + half + i, x2 * c + x1 * s, n);
  });
}

template <int Bytes, class T>
TONGUEFORGE_INLINE void turn_heads(const Heads<T>& heads, const Angles<T>& angles, int64_t b, int64_t t,
                                   int64_t half, Wide<T> sign) {
  const int64_t angle = b * angles.b + t * angles.t;
  const T* x = heads.x + b * heads.x_b + t * heads.x_t;
  T* y = heads.y + b * heads.y_b + t * heads.y_t;
  for (int64_t n = 0; n < heads.n; n++)
    turn<Bytes>(x + n * heads.x_n, y + n * heads.y_n, angles.cos + angle, angles.sin + angle, half, sign);
}

// ---- tensors ----

template <class T>
Heads<T> heads_of(const at::Tensor& x, at::Tensor& y) {
  return {x.const_data_ptr<T>(),
          y.mutable_data_ptr<T>(),
          x.size(1),
          x.stride(0),
          x.stride(1),
          x.stride(2),
          y.stride(0),
          y.stride(1),
          y.stride(2)};
}

template <class T>
Angles<T> angles_of(const at::Tensor& cos, const at::Tensor& sin) {
  return {cos.const_data_ptr<T>(), sin.const_data_ptr<T>(), cos.size(0) == 1 ? 0 : cos.stride(0),
          cos.stride(2)};
}

cuda::RotaryHeads heads_on_cuda(const at::Tensor& x, const at::Tensor& y) {
  return {x.const_data_ptr(), y.mutable_data_ptr(), x.size(1),   x.stride(0), x.stride(1),
          x.stride(2),        y.stride(0),          y.stride(1), y.stride(2)};
}

void turn_on_cuda(const at::Tensor& q, const at::Tensor& k, const at::Tensor& q_out, const at::Tensor& k_out,
                  const at::Tensor& cos, const at::Tensor& sin, double sign) {
  const cuda::Rotary arguments{.q = heads_on_cuda(q, q_out),
                               .k = heads_on_cuda(k, k_out),
                               .cos = cos.const_data_ptr(),
                               .sin = sin.const_data_ptr(),
                               .angle_b = cos.size(0) == 1 ? 0 : cos.stride(0),
                               .batch = q.size(0),
                               .time = q.size(2),
                               .head_dim = q.size(3),
                               .back = sign < 0};
  cuda::rotary(cuda::element_of(q), arguments, cuda::stream_of(q));
}

at::Tensor with_dense_heads(const at::Tensor& x) { return x.stride(-1) == 1 ? x : x.contiguous(); }

std::pair<at::Tensor, at::Tensor> turned(const at::Tensor& q_any, const at::Tensor& k_any,
                                         const at::Tensor& cos, const at::Tensor& sin, double sign) {
  const auto q = with_dense_heads(q_any), k = with_dense_heads(k_any);
  auto q_out = at::empty_like(q), k_out = at::empty_like(k);
  if constexpr (cuda::kBuilt)
    if (q.is_cuda()) return turn_on_cuda(q, k, q_out, k_out, cos, sin, sign), std::pair(q_out, k_out);
  const int64_t batch = q.size(0), time = q.size(2), head_dim = q.size(3);
  for_dtype(q.scalar_type(), [&]<class T>(T) {
    const auto q_heads = heads_of<T>(q, q_out), k_heads = heads_of<T>(k, k_out);
    const auto angles = angles_of<T>(cos, sin);
    const int64_t grain = rows_per_thread((q.size(1) + k.size(1)) * head_dim);
    at::parallel_for(0, batch * time, grain, [&](int64_t begin, int64_t end) {
      vectorised([&](auto width) TONGUEFORGE_INLINED {
        for (int64_t i = begin; i < end; i++)
          for (const auto& heads : {q_heads, k_heads})
            turn_heads<width()>(heads, angles, i / time, i % time, head_dim / 2, static_cast<Wide<T>>(sign));
      });
    });
  });
  return {q_out, k_out};
}

struct Rotary : torch::autograd::Function<Rotary> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                const at::Tensor& q, const at::Tensor& k,
                                                const at::Tensor& cos, const at::Tensor& sin) {
    const auto c = cos.contiguous(), s = sin.contiguous();
    context->save_for_backward({c, s});
    auto [q_out, k_out] = turned(q, k, c, s, 1);
    return {q_out, k_out};
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    auto [grad_q, grad_k] = turned(grads[0], grads[1], saved[0], saved[1], -1);
    return {grad_q, grad_k, {}, {}};
  }
};

}  // namespace

std::pair<at::Tensor, at::Tensor> apply_rotary(const at::Tensor& q, const at::Tensor& k,
                                               const at::Tensor& cos, const at::Tensor& sin) {
  if (!has_fused_code(q, k, cos, sin) && !cuda::has_twin(q, k, cos, sin))
    return {reference::apply_rotary(q, cos, sin), reference::apply_rotary(k, cos, sin)};
  const auto out = Rotary::apply(q, k, cos, sin);
  return {out[0], out[1]};
}

}  // namespace tongueforge::kernels

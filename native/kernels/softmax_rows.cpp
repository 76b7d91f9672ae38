#include "kernels/softmax_rows.h"

#include "kernels/cuda/glue.h"
#include "kernels/dispatch.h"
#include "kernels/softmax_lanes.h"
#include "kernels/softmax_rows_cuda.h"

namespace tongueforge::kernels {
namespace {

using namespace simd;

// d/dx of z lse^2 + lse - x[target] is softmax(x) (1 + 2 z lse) - onehot(target).
template <int Bytes, class T>
TONGUEFORGE_INLINE void gradient_row(T* __restrict row, int64_t v, int64_t target, Wide<T> z_loss,
                                     Wide<T> log_sum, Wide<T> scale) {
  using L = Lanes<T, Bytes>;
  const auto softmax_scale = scale * (1 + 2 * z_loss * log_sum);
  const auto at_target = softmax_scale * std::exp(static_cast<Wide<T>>(row[target]) - log_sum) - scale;
  for_lanes<T, Bytes>(v, [&](int64_t i, auto n) TONGUEFORGE_INLINED {
    L::store(row + i, simd::exp(L::load(row + i, n) - log_sum) * softmax_scale, n);
  });
  row[target] = static_cast<T>(at_target);
}

}  // namespace

void softmax_losses(const at::Tensor& logits, const at::Tensor& targets, at::Tensor& log_sums,
                    at::Tensor& losses) {
  const int64_t v = logits.size(1), stride = logits.stride(0);
  const auto* target = targets.const_data_ptr<int64_t>();
  if constexpr (cuda::kBuilt)
    if (logits.is_cuda())
      return cuda::softmax_losses(cuda::element_of(logits),
                                  {.logits = logits.const_data_ptr(),
                                   .targets = target,
                                   .log_sums = log_sums.mutable_data_ptr(),
                                   .losses = losses.mutable_data_ptr(),
                                   .rows = logits.size(0),
                                   .vocab = v,
                                   .stride = stride},
                                  cuda::stream_of(logits));
  for_dtype(logits.scalar_type(), [&]<class T>(T) {
    const auto* x = logits.const_data_ptr<T>();
    auto *log_sum = log_sums.mutable_data_ptr<Wide<T>>(), *loss = losses.mutable_data_ptr<Wide<T>>();
    for_rows(logits.size(0), v, [&](auto width, int64_t i) TONGUEFORGE_INLINED {
      const T* row = x + i * stride;
      const auto sum = log_sum[i] = log_sum_exp<width()>(row, v);
      loss[i] = target[i] < 0 ? 0 : sum - static_cast<Wide<T>>(row[target[i]]);
    });
  });
}

void softmax_gradients_(at::Tensor& logits, const at::Tensor& targets, double z_loss,
                        const at::Tensor& log_sums, const at::Tensor& scales) {
  const int64_t v = logits.size(1), stride = logits.stride(0);
  const auto* target = targets.const_data_ptr<int64_t>();
  if constexpr (cuda::kBuilt)
    if (logits.is_cuda())
      return cuda::softmax_gradients(cuda::element_of(logits),
                                     {.logits = logits.mutable_data_ptr(),
                                      .targets = target,
                                      .log_sums = log_sums.const_data_ptr(),
                                      .scales = scales.const_data_ptr(),
                                      .z_loss = z_loss,
                                      .rows = logits.size(0),
                                      .vocab = v,
                                      .stride = stride},
                                     cuda::stream_of(logits));
  for_dtype(logits.scalar_type(), [&]<class T>(T) {
    auto* x = logits.mutable_data_ptr<T>();
    const auto *log_sum = log_sums.const_data_ptr<Wide<T>>(), *scale = scales.const_data_ptr<Wide<T>>();
    const auto z = static_cast<Wide<T>>(z_loss);
    for_rows(logits.size(0), v, [&](auto width, int64_t i) TONGUEFORGE_INLINED {
      T* row = x + i * stride;
      if (target[i] < 0) {
        std::memset(static_cast<void*>(row), 0, v * sizeof(T));
      } else {
        gradient_row<width()>(row, v, target[i], z, log_sum[i], scale[i]);
      }
    });
  });
}

}  // namespace tongueforge::kernels

#include "kernels/cuda/softmax.cuh"
#include "kernels/softmax_rows_cuda.h"

namespace tongueforge::kernels::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kMostRowThreads<T>) losses_of_rows(const SoftmaxLosses s) {
  const int64_t i = blockIdx.x, target = s.targets[i];
  const T* row = static_cast<const T*>(s.logits) + i * s.stride;
  const Wide<T> log_sum = log_sum_exp(row, s.vocab);
  if (threadIdx.x != 0) return;
  static_cast<Wide<T>*>(s.log_sums)[i] = log_sum;
  Wide<T> loss = target < s.vocab ? Wide<T>{0} : static_cast<Wide<T>>(NAN);
  if (target >= 0 && target < s.vocab) loss = log_sum - to_wide(row[target]);
  static_cast<Wide<T>*>(s.losses)[i] = loss;
}

// d/dx of z lse^2 + lse - x[target] is softmax(x) (1 + 2 z lse) - onehot(target).
template <class T>
__global__ void __launch_bounds__(kMostRowThreads<T>) gradients_of_rows(const SoftmaxGradients s) {
  const int64_t i = blockIdx.x, target = s.targets[i];
  const auto log_sum = static_cast<const Wide<T>*>(s.log_sums)[i];
  const auto scale = static_cast<const Wide<T>*>(s.scales)[i];
  const auto softmax_scale = scale * (1 + 2 * static_cast<Wide<T>>(s.z_loss) * log_sum);
  T* row = static_cast<T*>(s.logits) + i * s.stride;
  if (target < 0) return change_row(row, s.vocab, [](int64_t, Wide<T>) { return Wide<T>{0}; });
  change_row(row, s.vocab, [&](int64_t at, Wide<T> x) {
    const Wide<T> softmax = exp_of<T>(x - log_sum) * softmax_scale;
    return at == target ? softmax - scale : softmax;
  });
}

}  // namespace

void softmax_losses(Element type, const SoftmaxLosses& s, Stream stream) {
  if (s.rows == 0) return;
  for_element(type, [&]<class T>(T) {
    losses_of_rows<T><<<static_cast<unsigned>(s.rows), threads_for_row<T>(s.vocab), 0,
                        static_cast<cudaStream_t>(stream)>>>(s);
  });
  check_launch("softmax_losses");
}

void softmax_gradients(Element type, const SoftmaxGradients& s, Stream stream) {
  if (s.rows == 0) return;
  for_element(type, [&]<class T>(T) {
    gradients_of_rows<T><<<static_cast<unsigned>(s.rows), threads_for_row<T>(s.vocab), 0,
                           static_cast<cudaStream_t>(stream)>>>(s);
  });
  check_launch("softmax_gradients");
}

}  // namespace tongueforge::kernels::cuda

#include "compress/magnitude.h"

#include "kernels/aten.h"

namespace tongueforge::compress {

int64_t prune_magnitude(const std::vector<at::Tensor>& pool, kernels::MaskScope scope, double sparsity,
                        const Job* maybe_job) {
  const at::NoGradGuard no_grad;
  int64_t count = 0;
  kernels::for_smallest(pool, scope, sparsity, {}, maybe_job, [&](size_t i, const at::Tensor& mask) {
    const auto its = mask.sum().item<int64_t>();
    if (its > 0) pool[i].masked_fill_(mask, 0);
    count += its;
  });
  return count;
}

}  // namespace tongueforge::compress

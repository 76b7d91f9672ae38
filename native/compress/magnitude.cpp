#include "compress/magnitude.h"

#include "kernels/aten.h"

namespace tongueforge::compress {

int64_t prune_magnitude(const std::vector<at::Tensor>& pool, kernels::MaskScope scope, double sparsity) {
  const at::NoGradGuard no_grad;
  const auto masks = kernels::smallest(pool, scope, sparsity);
  int64_t count = 0;
  for (size_t i = 0; i < pool.size(); i++) {
    const auto its = masks[i].sum().item<int64_t>();
    if (its > 0) pool[i].masked_fill_(masks[i], 0);
    count += its;
  }
  return count;
}

}  // namespace tongueforge::compress

#include "kernels/cross_entropy.h"

#include "kernels/aten.h"

namespace tongueforge::kernels {

at::Tensor cross_entropy_sum(const at::Tensor& logits, const at::Tensor& targets) {
  return at::cross_entropy_loss(logits.to(at::kFloat), targets, /*weight=*/{}, at::Reduction::Sum);
}

}  // namespace tongueforge::kernels

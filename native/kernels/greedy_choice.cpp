#include "kernels/greedy_choice.h"

#include "kernels/aten.h"
#include "kernels/cuda/glue.h"
#include "kernels/greedy_choice_cuda.h"

namespace tongueforge::kernels {

void greedy_choice(const at::Tensor& logits, const at::Tensor& ids, const at::Tensor& best) {
  if constexpr (cuda::kBuilt)
    if (cuda::has_twin(logits) && logits.is_contiguous()) {
      const cuda::GreedyChoice arguments = {logits.const_data_ptr(), ids.mutable_data_ptr<int64_t>(),
                                            best.mutable_data_ptr<float>(), logits.size(0), logits.size(1)};
      return cuda::greedy_choice(cuda::element_of(logits), arguments, cuda::stream_of(logits));
    }
  const auto [greatest, index] = logits.to(at::kFloat).max(1, /*keepdim=*/true);
  at::Tensor(ids).copy_(index);
  at::Tensor(best).copy_(greatest);
}

}  // namespace tongueforge::kernels

#include "kernels/embedding.h"

#include "kernels/autograd.h"
#include "kernels/cuda/glue.h"
#include "kernels/dispatch.h"
#include "kernels/embedding_cuda.h"

namespace tongueforge::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// ids (M), grad_y (M,D) -> (V,D)
at::Tensor gradient_on_cuda(const at::Tensor& ids, const at::Tensor& grad_y, int64_t vocab) {
  const int64_t m = grad_y.size(0), d = grad_y.size(1);
  const auto [sorted, places] = at::sort(ids, /*stable=*/true, /*dim=*/0, /*descending=*/false);
  auto gradient = at::zeros({vocab, d}, grad_y.options());
  auto parts = at::empty({cuda::embedding_tiles(m), 2, d}, grad_y.options().dtype(wide_dtype(grad_y)));
  cuda::embedding_gradient(cuda::element_of(grad_y),
                           {.ids = sorted.const_data_ptr<int64_t>(),
                            .places = places.const_data_ptr<int64_t>(),
                            .grad_y = grad_y.const_data_ptr(),
                            .grad_weight = gradient.mutable_data_ptr(),
                            .parts = parts.mutable_data_ptr(),
                            .m = m,
                            .d = d},
                           cuda::stream_of(grad_y));
  return gradient;
}

struct Embedding : torch::autograd::Function<Embedding> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& weight, const at::Tensor& ids) {
    context->saved_data["ids"] = ids;
    context->saved_data["vocab"] = weight.size(0);
    return at::embedding(weight, ids);
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto ids = context->saved_data["ids"].toTensor().flatten();
    const auto grad_y = grads[0].reshape({-1, grads[0].size(-1)}).contiguous();
    if constexpr (cuda::kBuilt)
      return {gradient_on_cuda(ids, grad_y, context->saved_data["vocab"].toInt()), {}};
    return {};  // only CUDA's twin comes here
  }
};

}  // namespace

at::Tensor embedding(const at::Tensor& weight, const at::Tensor& ids) {
  const bool recorded = at::GradMode::is_enabled() && weight.requires_grad();
  return recorded && cuda::has_twin(weight) ? Embedding::apply(weight, ids) : at::embedding(weight, ids);
}

}  // namespace tongueforge::kernels

#include "kernels/thin_product.h"

#include <algorithm>

#include "kernels/aten.h"
#include "kernels/cuda/glue.h"
#include "kernels/thin_product_cuda.h"

namespace tongueforge::kernels {
namespace {

constexpr int64_t kAccess = 16;  // bytes

bool has_aligned_rows(const at::Tensor& x) {
  return x.is_contiguous() && reinterpret_cast<uintptr_t>(x.const_data_ptr()) % kAccess == 0;
}

bool takes_weight(const at::Tensor& x, const ThinWeight& w) {
  return cuda::has_twin(x, w.weight) && has_aligned_rows(w.weight) &&
         (!w.maybe_bias.defined() || (cuda::has_twin(x, w.maybe_bias) && w.maybe_bias.is_contiguous()));
}

/// Room for the product with a weight, (..., out).
at::Tensor room_for(const at::Tensor& x, const at::Tensor& weight) {
  auto sizes = x.sizes().vec();
  sizes.back() = weight.size(0);
  return at::empty(sizes, x.options());
}

cuda::ThinProduct product_of(const at::Tensor& x) {
  return {.x = x.const_data_ptr(), .rows = x.numel() / x.size(-1), .in = x.size(-1), .parts = {}};
}

cuda::ThinPart part_of(const ThinWeight& w, const at::Tensor& y) {
  return {w.weight.const_data_ptr(), w.maybe_bias.defined() ? w.maybe_bias.const_data_ptr() : nullptr,
          y.mutable_data_ptr(), w.weight.size(0)};
}

at::Tensor with_aligned_rows(const at::Tensor& x) {
  return has_aligned_rows(x) ? x : x.clone(at::MemoryFormat::Contiguous);
}

}  // namespace

bool takes_thin_product(const at::Tensor& x, const std::vector<ThinWeight>& weights) {
  if (!cuda::kBuilt || !x.is_cuda() || at::GradMode::is_enabled() || x.scalar_type() == at::kDouble)
    return false;
  const int64_t in = x.size(-1), bytes = in * static_cast<int64_t>(x.element_size());
  if (bytes == 0 || bytes % kAccess != 0 || x.numel() == 0 || x.numel() > cuda::kMostThinRows * in)
    return false;
  return weights.size() <= cuda::kMostThinParts &&
         std::all_of(weights.begin(), weights.end(), [&](const ThinWeight& w) { return takes_weight(x, w); });
}

std::vector<at::Tensor> thin_linear(const at::Tensor& any_x, const std::vector<ThinWeight>& weights) {
  const auto x = with_aligned_rows(any_x);
  auto product = product_of(x);
  std::vector<at::Tensor> all;
  for (size_t i = 0; i < weights.size(); i++) {
    all.push_back(room_for(x, weights[i].weight));
    product.parts[i] = part_of(weights[i], all.back());
  }
  if constexpr (cuda::kBuilt) cuda::thin_product(cuda::element_of(x), product, cuda::stream_of(x));
  return all;
}

at::Tensor thin_gated(const at::Tensor& any_x, const at::Tensor& gate, const at::Tensor& up) {
  const auto x = with_aligned_rows(any_x), y = room_for(x, gate);
  auto product = product_of(x);
  product.parts[0] = part_of({gate, {}}, y), product.parts[1] = part_of({up, {}}, y);
  if constexpr (cuda::kBuilt) cuda::thin_gated_product(cuda::element_of(x), product, cuda::stream_of(x));
  return y;
}

}  // namespace tongueforge::kernels

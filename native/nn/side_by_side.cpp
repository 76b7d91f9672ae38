#include "nn/side_by_side.h"

#include <algorithm>

#include "kernels/aten.h"
#include "kernels/few_rows.h"
#include "kernels/swiglu.h"
#include "kernels/thin_product.h"

namespace tongueforge::nn {
namespace {

std::vector<kernels::ThinWeight> weights_of(const std::vector<const Linear*>& layers) {
  std::vector<kernels::ThinWeight> weights;
  for (const auto* layer : layers) weights.push_back({layer->weight, layer->bias});
  return weights;
}

bool are_few_rows(const at::Tensor& x, const std::vector<const Linear*>& layers) {
  return x.is_cpu() && std::all_of(layers.begin(), layers.end(), [&](const Linear* layer) {
           return is_plain(*layer) && kernels::takes_few_rows(x, layer->weight, layer->bias);
         });
}

bool are_thin(const at::Tensor& x, const std::vector<const Linear*>& layers) {
  return x.is_cuda() &&
         std::all_of(layers.begin(), layers.end(), [](const Linear* layer) { return is_plain(*layer); }) &&
         kernels::takes_thin_product(x, weights_of(layers));
}

}  // namespace

bool is_plain(const Linear& layer) {
  return !layer.factors && !layer.adapter && !layer.execution && !layer.observer;
}

std::vector<at::Tensor> side_by_side(const at::Tensor& x, const std::vector<const Linear*>& layers) {
  if (are_thin(x, layers)) return kernels::thin_linear(x, weights_of(layers));
  if (are_few_rows(x, layers)) return kernels::few_rows_linears(x, weights_of(layers));
  std::vector<at::Tensor> all;
  for (const auto* layer : layers) all.push_back((*layer)(x));
  return all;
}

at::Tensor gated(const at::Tensor& x, const Linear& gate, const Linear& up) {
  if (!gate.bias.defined() && !up.bias.defined() && are_thin(x, {&gate, &up}))
    return kernels::thin_gated(x, gate.weight, up.weight);
  const auto both = side_by_side(x, {&gate, &up});
  return kernels::swiglu(both[0], both[1]);
}

}  // namespace tongueforge::nn

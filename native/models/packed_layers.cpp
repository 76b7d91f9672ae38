#include "models/packed_layers.h"

#include "kernels/aten.h"
#include "kernels/linear.h"

namespace tongueforge::models {
namespace {

bool can_be_packed(const nn::Linear& linear, const nn::Quantized& numbers) {
  return linear.weight.defined() && !linear.adapter && linear.weight.is_cpu() &&
         linear.weight.scalar_type() == at::kBFloat16 && nn::has_packed_product(numbers);
}

ProductTimes timed(const nn::Linear& linear, const nn::QuantizedExecution& packed, int64_t rows) {
  const auto x = at::randn({rows, linear.weight.size(1)}, linear.weight.options());
  return time_products([&] { kernels::linear(x, packed.weight(), linear.bias); },
                       [&] { packed(x, linear.bias); });
}

PackedLayer use_packed(const std::string& name, nn::Linear& linear,
                       const std::shared_ptr<const nn::Quantized>& numbers, bool keep_weights, int64_t rows) {
  const int64_t bits = numbers->codes.bits();
  const auto maybe_weight = keep_weights ? linear.weight : at::Tensor();
  const auto with = [&](nn::RowUse use) {
    return std::make_shared<nn::QuantizedExecution>(numbers, maybe_weight, use);
  };
  const auto both = with({true, true});
  PackedLayer layer = {name, bits, timed(linear, *both, 1), timed(linear, *both, rows), {}};
  layer.use = both->use = {!keep_weights || pays(layer.one), pays(layer.more)};
  if (layer.use.one || layer.use.more) linear.execution = layer.use.more ? both : with(layer.use);
  if (!keep_weights) linear.weight = at::Tensor();
  return layer;
}

}  // namespace

std::vector<PackedLayer> use_packed_layers(Model& model, bool keep_weights, int64_t rows, Job& job) {
  const at::NoGradGuard no_grad;
  std::vector<PackedLayer> all;
  for (const auto& block : model.blocks())
    for (const auto& [name, linear] : block.linears()) {
      job.check();
      const auto numbers = nn::quantized_numbers(*linear);
      if (!numbers || !can_be_packed(*linear, *numbers)) continue;
      all.push_back(use_packed(name, *linear, numbers, keep_weights, rows));
    }
  return all;
}

}  // namespace tongueforge::models

#include "models/packed_layers.h"

#include "kernels/aten.h"
#include "kernels/linear.h"

namespace tongueforge::models {
namespace {

bool can_be_packed(const nn::Linear& linear, const nn::Quantized& numbers) {
  return linear.weight.defined() && !linear.adapter && linear.weight.is_cpu() &&
         linear.weight.scalar_type() == at::kBFloat16 && nn::has_packed_product(numbers);
}

struct Candidate {
  std::string name;
  nn::Linear* linear;
  std::shared_ptr<const nn::Quantized> numbers;

  std::shared_ptr<nn::QuantizedExecution> packed(bool keep_weights, nn::RowUse use) const {
    return std::make_shared<nn::QuantizedExecution>(numbers, keep_weights ? linear->weight : at::Tensor(),
                                                    use);
  }
};

std::vector<Candidate> candidates_of(Model& model) {
  std::vector<Candidate> all;
  for (const auto& block : model.blocks())
    for (const auto& [name, linear] : block.linears()) {
      const auto numbers = nn::quantized_numbers(*linear);
      if (numbers && can_be_packed(*linear, *numbers)) all.push_back({name, linear, numbers});
    }
  return all;
}

Products products_of(const nn::Linear& linear, const std::shared_ptr<const nn::QuantizedExecution>& packed,
                     int64_t rows) {
  const auto x = at::randn({rows, linear.weight.size(1)}, linear.weight.options());
  return {[&linear, packed, x] { kernels::linear(x, packed->weight(), linear.bias); },
          [&linear, packed, x] { (*packed)(x, linear.bias); }};
}

std::vector<ProductTimes> times_of_one_row(const std::vector<Candidate>& all, bool keep_weights,
                                           const Job& job) {
  std::vector<Products> products;
  for (const auto& c : all)
    products.push_back(products_of(*c.linear, c.packed(keep_weights, {true, false}), 1));
  return time_in_passes(products, job);
}

PackedLayer use_packed(const Candidate& c, ProductTimes one, bool keep_weights, int64_t rows) {
  auto& linear = *c.linear;
  const auto both = c.packed(keep_weights, {true, true});
  PackedLayer layer = {
      c.name, c.numbers->codes.bits(), one, time_products(products_of(linear, both, rows)), {}};
  layer.use = both->use = {!keep_weights || pays(layer.one), pays(layer.more)};
  if (layer.use.one || layer.use.more)
    linear.execution = layer.use.more ? both : c.packed(keep_weights, layer.use);
  if (!keep_weights) linear.weight = at::Tensor();
  return layer;
}

}  // namespace

std::vector<PackedLayer> use_packed_layers(Model& model, bool keep_weights, int64_t rows, Job& job) {
  const at::NoGradGuard no_grad;
  const auto candidates = candidates_of(model);
  const auto one = times_of_one_row(candidates, keep_weights, job);
  std::vector<PackedLayer> all;
  for (size_t i = 0; i < candidates.size(); i++) {
    job.check();
    all.push_back(use_packed(candidates[i], one[i], keep_weights, rows));
  }
  return all;
}

}  // namespace tongueforge::models

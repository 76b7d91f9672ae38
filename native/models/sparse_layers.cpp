#include "models/sparse_layers.h"

#include "kernels/aten.h"
#include "kernels/linear.h"

namespace tongueforge::models {
namespace {

ProductTimes timed(const nn::Linear& linear, const nn::Execution& sparse, int64_t rows) {
  const auto x = at::randn({rows, linear.weight.size(1)}, linear.weight.options());
  return time_products(
      {[&] { kernels::linear(x, linear.weight, linear.bias); }, [&] { sparse(x, linear.bias); }});
}

bool can_be_sparse(const nn::Linear& linear) {
  return linear.weight.defined() && !linear.adapter && linear.weight.is_cpu() &&
         linear.weight.scalar_type() == at::kFloat && linear.weight.size(1) <= kernels::kMaxCsrInputs;
}

}  // namespace

std::vector<SparseLayer> use_sparse_layers(Model& model, int64_t rows, Job& job) {
  const at::NoGradGuard no_grad;
  std::vector<SparseLayer> all;
  for (const auto& block : model.blocks()) {
    for (const auto& [name, linear] : block.linears()) {
      job.check();
      if (!can_be_sparse(*linear)) continue;
      linear->execution.reset();
      SparseLayer layer;
      layer.name = name;
      layer.zeros =
          1 - at::count_nonzero(linear->weight).item<double>() / static_cast<double>(linear->weight.numel());
      if (layer.zeros < kLeastZeros) continue;
      const nn::SparseExecution sparse(linear->weight, {true, true});
      layer.one = timed(*linear, sparse, 1);
      layer.more = timed(*linear, sparse, rows);
      layer.use = {pays(layer.one), pays(layer.more)};
      if (layer.use.one || layer.use.more)
        linear->execution = std::make_shared<nn::SparseExecution>(linear->weight, layer.use);
      all.push_back(std::move(layer));
    }
  }
  return all;
}

}  // namespace tongueforge::models

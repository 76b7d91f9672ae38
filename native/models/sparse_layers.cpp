#include "models/sparse_layers.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "kernels/aten.h"
#include "kernels/linear.h"

namespace tongueforge::models {
namespace {

constexpr int kLeastRuns = 5, kMostRuns = 200;
constexpr double kSeconds = 0.02;  // for one layer and one number of rows

template <class Work>
double seconds_of(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// In turns, so that what else the machine does hits both.
ProductTimes time_products(const nn::Linear& linear, const nn::Execution& sparse, int64_t rows) {
  const auto x = at::randn({rows, linear.weight.size(1)}, linear.weight.options());
  ProductTimes least = {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  double spent = 0;
  for (int run = 0; run < kLeastRuns || (run < kMostRuns && spent < kSeconds); run++) {
    const double dense = seconds_of([&] { kernels::linear(x, linear.weight, linear.bias); });
    const double other = seconds_of([&] { sparse(x, linear.bias); });
    least = {std::min(least.dense, dense), std::min(least.sparse, other)};
    spent += dense + other;
  }
  return least;
}

bool can_be_sparse(const nn::Linear& linear) {
  return linear.weight.defined() && !linear.factors && !linear.adapter && linear.weight.is_cpu() &&
         linear.weight.scalar_type() == at::kFloat && linear.weight.size(1) <= kernels::kMaxCsrInputs;
}

bool pays(const ProductTimes& times) { return times.sparse <= kLargestShare * times.dense; }

}  // namespace

std::vector<SparseLayer> use_sparse_layers(Model& model, int64_t rows, Job& job) {
  const at::NoGradGuard no_grad;
  std::vector<SparseLayer> all;
  for (const auto& block : model.blocks()) {
    for (const auto& [name, linear] : block.linears()) {
      job.check();
      linear->execution.reset();
      if (!can_be_sparse(*linear)) continue;
      SparseLayer layer;
      layer.name = name;
      layer.zeros =
          1 - at::count_nonzero(linear->weight).item<double>() / static_cast<double>(linear->weight.numel());
      if (layer.zeros < kLeastZeros) continue;
      const nn::SparseExecution sparse(linear->weight, {true, true});
      layer.one = time_products(*linear, sparse, 1);
      layer.more = time_products(*linear, sparse, rows);
      layer.use = {pays(layer.one), pays(layer.more)};
      if (layer.use.one || layer.use.more)
        linear->execution = std::make_shared<nn::SparseExecution>(linear->weight, layer.use);
      all.push_back(std::move(layer));
    }
  }
  return all;
}

}  // namespace tongueforge::models

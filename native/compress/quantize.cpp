#include "compress/quantize.h"

#include "compress/calibration.h"
#include "compress/input_statistics.h"
#include "compress/plain_weights.h"
#include "compress/shared_inputs.h"
#include "core/error.h"
#include "kernels/aten.h"
#include "kernels/matrix_product.h"
#include "nn/quantized_execution.h"

namespace tongueforge::compress {
namespace {

/// Layers of a block that share an input.
struct Group {
  std::string name;
  std::vector<models::Projection> layers;
};

std::vector<Group> groups_of(const models::Block& block, size_t number, const std::set<std::string>& layers) {
  std::vector<Group> all;
  for (const auto& projections : by_input(block)) {
    Group group = {projections.front().name, {}};
    for (const auto& projection : projections)
      if (layers.contains(layer_key(block, number, projection))) group.layers.push_back(projection);
    if (!group.layers.empty()) all.push_back(std::move(group));
  }
  return all;
}

void check_layer(const models::Projection& layer, const QuantizeOptions& options) {
  const auto& weight = layer.linear->weight;
  check_no_adapter(layer);
  if (layer.linear->factors)
    throw Error("ERR_CONFIG",
                str("exclude: expected whole matrices, received ", layer.name, ", which is factored"),
                "Exclude this layer, or multiply it back: lowrank with dense: true.");
  check_group(layer.name, weight.size(1), options.group);
  check_finite_weights(layer.name + ".weight", weight);
}

QuantizeSettings settings_of(const at::Tensor& weight, const QuantizeOptions& options) {
  return {{options.bits, options.symmetric, weight.scalar_type() == at::kBFloat16}, options.group};
}

// || D X ||^2, H = X X^T
double squared_on_inputs(const at::Tensor& matrix_RC, const at::Tensor& gram_CC) {
  return (kernels::matrix_product(matrix_RC, gram_CC) * matrix_RC).sum(at::kDouble).item<double>();
}

double ratio(double squared_difference, double squared) {
  return squared_difference <= 0 ? 0 : std::sqrt(squared_difference / squared);
}

double squared_norm(const at::Tensor& matrix) { return matrix.to(at::kDouble).square().sum().item<double>(); }

/// The layer multiplies with these numbers from now on.
QuantizedFigures put(const models::Projection& layer, nn::Quantized quantized) {
  auto& weight = layer.linear->weight;
  const auto before = weight.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  weight.copy_(quantized.dense());
  layer.linear->execution = std::make_shared<nn::QuantizedExecution>(
      std::make_shared<const nn::Quantized>(std::move(quantized)), weight);
  QuantizedFigures figures = {layer.name + ".weight", weight.numel(),
                              weight.numel() - at::count_nonzero(weight).item<int64_t>()};
  figures.weight_error = ratio(squared_norm(before - weight), squared_norm(before));
  return figures;
}

QuantizedFigures put_nearest(const models::Projection& layer, const QuantizeOptions& options) {
  const auto& weight = layer.linear->weight;
  return put(layer, round_to_nearest(weight.to(at::kFloat).contiguous(), settings_of(weight, options)));
}

// The better of both; nearest where they are equal.
QuantizedFigures put_by_inputs(const models::Projection& layer, const InverseFactor& factor,
                               const at::Tensor& gram_CC, const QuantizeOptions& options, const Job& job) {
  const auto floats = layer.linear->weight.to(at::kFloat).contiguous();
  const auto settings = settings_of(layer.linear->weight, options);
  const double before = squared_on_inputs(floats, gram_CC);
  auto chosen = round_to_nearest(floats, settings);
  auto solved = round_by_inputs(floats, factor, settings, job);
  const double of_nearest = squared_on_inputs(floats - chosen.dense().to(at::kFloat), gram_CC);
  double error = squared_on_inputs(floats - solved.dense().to(at::kFloat), gram_CC);
  if (error < of_nearest)
    chosen = std::move(solved);
  else
    error = of_nearest;
  auto figures = put(layer, std::move(chosen));
  figures.error = ratio(error, before), figures.error_of_nearest = ratio(of_nearest, before);
  figures.damping = factor.damping, figures.retries = factor.retries;
  return figures;
}

std::vector<at::Tensor> grams_of(const Calibration& calibration, const std::vector<Group>& groups) {
  std::vector<InputGram> grams;
  for (const auto& group : groups) grams.emplace_back(group.layers.front().linear->weight.size(1));
  std::vector<Listener> listeners;
  for (size_t i = 0; i < groups.size(); i++)
    listeners.push_back(
        {groups[i].layers.front().linear, [&of = grams[i]](const at::Tensor& x_PC) { of.add(x_PC); }});
  calibration.observe(listeners);
  std::vector<at::Tensor> taken;
  for (auto& gram : grams) taken.push_back(gram.take());
  return taken;
}

void quantize_block(const std::vector<Group>& groups, const Calibration* maybe_calibration,
                    const QuantizeOptions& options, const Job& job, std::vector<QuantizedFigures>& all) {
  std::vector<at::Tensor> grams;
  if (maybe_calibration) grams = grams_of(*maybe_calibration, groups);
  for (size_t i = 0; i < groups.size(); i++) {
    std::optional<InverseFactor> factor;
    if (maybe_calibration) factor = inverse_factor(grams[i], options.damping, groups[i].name, job);
    for (const auto& layer : groups[i].layers) {
      job.check();
      all.push_back(factor ? put_by_inputs(layer, *factor, grams[i], options, job)
                           : put_nearest(layer, options));
    }
  }
}

}  // namespace

std::vector<QuantizedFigures> quantize_weights(models::Model& model, const QuantizeOptions& options,
                                               std::vector<models::Rows> rows, Job& job) {
  const at::NoGradGuard no_grad;
  const auto blocks = model.blocks();
  std::vector<std::vector<Group>> groups;
  for (size_t i = 0; i < blocks.size(); i++) {
    groups.push_back(groups_of(blocks[i], i, options.layers));
    job.check();
    for (const auto& group : groups.back())
      for (const auto& layer : group.layers) check_layer(layer, options);
  }
  std::optional<Calibration> calibration;
  if (options.gptq) calibration.emplace(model, std::move(rows), job);
  std::vector<QuantizedFigures> all;
  for (size_t i = 0; i < blocks.size(); i++) {
    if (!groups[i].empty())
      quantize_block(groups[i], calibration ? &*calibration : nullptr, options, job, all);
    if (calibration && i + 1 < blocks.size()) calibration->advance();
    job.progress(Value::Map{{"done", uint64_t{i + 1}}, {"total", uint64_t{blocks.size()}}});
  }
  return all;
}

}  // namespace tongueforge::compress

#include "compress/factor_model.h"

#include <cmath>
#include <functional>
#include <numeric>

#include "compress/calibration.h"
#include "compress/input_statistics.h"
#include "compress/low_rank.h"
#include "compress/plain_weights.h"
#include "compress/ranks.h"
#include "compress/shared_inputs.h"
#include "kernels/aten.h"

namespace tongueforge::compress {
namespace {

struct Layer {
  std::string key, name;
  nn::Linear* linear;
};

// (O,I)
at::Tensor matrix_of(const nn::Linear& linear) {
  return linear.factors ? multiplied(*linear.factors) : linear.weight;
}

int64_t num_inputs(const nn::Linear& linear) {
  return (linear.factors ? linear.factors->in_RI : linear.weight).size(1);
}

int64_t num_outputs(const nn::Linear& linear) {
  return (linear.factors ? linear.factors->out_OR : linear.weight).size(0);
}

// Layers of a block that multiply with one and the same input.
using Group = std::vector<Layer>;

std::vector<Group> groups_of(const models::Block& block, size_t number, const FactorOptions& options) {
  std::vector<Group> groups;
  for (const auto& projections : by_input(block)) {
    Group group;
    for (const auto& projection : projections) {
      const auto key = layer_key(block, number, projection);
      if (options.ranks.contains(key)) group.push_back({key, projection.name, projection.linear});
    }
    if (!group.empty()) groups.push_back(std::move(group));
  }
  return groups;
}

void check_layer(const Layer& layer) {
  check_no_adapter({layer.name, layer.linear});
  check_finite_weights(layer.name, matrix_of(*layer.linear));
}

// Sums up the inputs of a group as they come by.
class Heard {
 public:
  Heard(const Group& group, Measure measure) {
    const int64_t inputs = num_inputs(*group.front().linear);
    if (measure == Measure::outputs) gram_.emplace(inputs, at::kDouble);
    if (measure == Measure::input_sizes) norms_.emplace(inputs);
  }

  void add(const at::Tensor& x_PC) {
    if (gram_) gram_->add(x_PC);
    if (norms_) norms_->add(x_PC);
  }
  Whitening whitening(int64_t places) {
    if (gram_) return whiten(gram_->take());
    return norms_ ? whiten_diagonal(norms_->norms(), places) : Whitening{};
  }

 private:
  std::optional<InputGram> gram_{};
  std::optional<InputNorms> norms_{};
};

using See = std::function<void(const Layer& layer, const Whitening& whitening)>;

// Hears what goes into the groups of a block and shows each layer with its whitening.
void see_block(const std::vector<Group>& groups, const Calibration* maybe_calibration, Measure measure,
               const See& see) {
  std::vector<Heard> heard;
  for (const auto& group : groups) heard.emplace_back(group, measure);
  std::vector<Listener> listeners;
  for (size_t i = 0; i < groups.size(); i++)
    listeners.push_back(
        {groups[i].front().linear, [&of = heard[i]](const at::Tensor& x_PC) { of.add(x_PC); }});
  if (maybe_calibration) maybe_calibration->observe(listeners);
  for (size_t i = 0; i < groups.size(); i++) {
    const auto whitening = heard[i].whitening(maybe_calibration ? maybe_calibration->places() : 0);
    for (const auto& layer : groups[i]) see(layer, whitening);
  }
}

// Shows all layers in turn; what `see` makes of a block is what the next one gets its inputs from.
void see_layers(models::Model& model, const FactorOptions& options, const std::vector<models::Rows>& rows,
                const char* label, Job& job, const See& see) {
  const auto blocks = model.blocks();
  size_t end = blocks.size();  // behind the last block that has some
  while (end > 0 && groups_of(blocks[end - 1], end - 1, options).empty()) end--;
  std::optional<Calibration> calibration;
  if (options.measure != Measure::weights && end > 0) calibration.emplace(model, rows, job);
  for (size_t i = 0; i < end; i++) {
    job.check();
    see_block(groups_of(blocks[i], i, options), calibration ? &*calibration : nullptr, options.measure, see);
    if (calibration && i + 1 < end) calibration->advance();
    job.progress(Value::Map{{"label", label}, {"done", uint64_t{i + 1}}, {"total", uint64_t{end}}});
  }
}

Spectrum sizes_of(const nn::Linear& linear) {
  const int64_t outputs = num_outputs(linear), inputs = num_inputs(linear), component = outputs + inputs;
  return {linear.factors ? linear.factors->rank * component : outputs * inputs, component};
}

// Ranks within the budget, by the model as it is.
std::map<std::string, int64_t> spread_budget(models::Model& model, const FactorOptions& options,
                                             const std::vector<models::Rows>& rows, Job& job) {
  std::vector<std::string> keys;
  std::vector<Spectrum> spectra;
  see_layers(model, options, rows, "spectra", job, [&](const Layer& layer, const Whitening& whitening) {
    job.check();
    keys.push_back(layer.key);
    spectra.push_back(sizes_of(*layer.linear));
    spectra.back().squares = spectrum(matrix_of(*layer.linear), whitening);
  });
  const auto found = allocate_ranks(spectra, *options.budget, options.multiple_of);
  std::map<std::string, int64_t> ranks;
  for (size_t i = 0; i < keys.size(); i++) ranks[keys[i]] = found[i];
  return ranks;
}

double foretold_error(const std::vector<double>& squares, int64_t rank) {
  const double all = std::reduce(squares.begin(), squares.end());
  return all == 0 ? 0 : std::sqrt(std::reduce(squares.begin() + rank, squares.end()) / all);
}

void replace(nn::Linear& linear, nn::Factors factors, bool dense) {
  linear.execution.reset();  // it holds the numbers of before
  if (dense) {
    linear.weight = multiplied(factors);
    linear.factors.reset();
  } else {
    linear.weight = at::Tensor();
    linear.factors = std::move(factors);
  }
}

FactoredLayer factor_layer(const Layer& layer, const Whitening& whitening, int64_t rank,
                           const FactorOptions& options) {
  auto& linear = *layer.linear;
  auto sizes = sizes_of(linear);
  FactoredLayer report = {.name = layer.name, .parameters = sizes.parameters, .damping = whitening.damping};
  if (!options.energy && rank > largest_rank(sizes, 1)) rank = 0;
  if (options.energy || rank > 0) {
    const auto weight_OI = matrix_of(linear);
    auto found = decompose(weight_OI, whitening);
    sizes.squares = std::move(found.squares);
    if (options.energy) rank = rank_of_energy(sizes, *options.energy, options.multiple_of);
    if (rank > 0) {
      auto factors = factorise(weight_OI, found.u_OK, rank);
      report.error = relative_error(weight_OI, factors, whitening);
      report.foretold = foretold_error(sizes.squares, rank);
      if (!options.dense) report.parameters = rank * sizes.component;
      replace(linear, std::move(factors), options.dense);
    }
  }
  if (rank == 0 && options.dense && linear.factors) {
    replace(linear, *linear.factors, true);
    report.parameters = linear.weight.numel();
  }
  report.rank = rank;
  return report;
}

}  // namespace

std::vector<FactoredLayer> factor_model(models::Model& model, const FactorOptions& options,
                                        std::vector<models::Rows> rows, Job& job) {
  const at::NoGradGuard no_grad;
  const auto blocks = model.blocks();
  for (size_t i = 0; i < blocks.size(); i++)
    for (const auto& group : groups_of(blocks[i], i, options))
      for (const auto& layer : group) {
        job.check();
        check_layer(layer);
      }
  const auto ranks = options.budget ? spread_budget(model, options, rows, job) : options.ranks;
  std::vector<FactoredLayer> all;
  see_layers(model, options, rows, "factors", job, [&](const Layer& layer, const Whitening& whitening) {
    job.check();
    all.push_back(factor_layer(layer, whitening, ranks.at(layer.key), options));
  });
  return all;
}

}  // namespace tongueforge::compress

#include "compress/prune.h"

#include "compress/calibration.h"
#include "compress/input_statistics.h"
#include "compress/magnitude.h"
#include "compress/output_error.h"
#include "compress/plain_weights.h"
#include "compress/shared_inputs.h"
#include "compress/sparsegpt.h"
#include "compress/wanda.h"
#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::compress {
namespace {

/// What is heard of one input of a block, and of what its matrices make of it.
struct Heard {
  InputSample sample;
  std::optional<InputNorms> norms{};                 // wanda
  std::optional<InputGram> gram{};                   // sparsegpt
  std::vector<std::optional<OutputNorm>> outputs{};  // of each matrix that multiplies anyway

  Heard(const SharedInput& input, Criterion criterion, const Calibration& calibration)
      : sample(EvenPlaces(calibration.places(), kErrorPlaces)), outputs(input.matrices.size()) {
    for (size_t i = 0; i < outputs.size(); i++)
      if (const auto* layer = input.matrices[i].maybe_layer; layer && !calibration.leaves_out(*layer))
        outputs[i].emplace(EvenPlaces(calibration.places(), kErrorPlaces));
    if (criterion == Criterion::wanda) norms.emplace(input.size());
    if (criterion == Criterion::sparsegpt) gram.emplace(input.size());
  }

  void add(const at::Tensor& x_PC) {
    sample.add(x_PC);
    if (norms) norms->add(x_PC);
    if (gram) gram->add(x_PC);
  }
};

void check_matrix(const Matrix& matrix, const Amount& amount) {
  check_amount(amount, matrix.name, matrix.weight->size(1));
  check_finite_weights(matrix.name, *matrix.weight);
}

// Free to be changed: an execution holds the numbers of before.
void free_layers(const std::vector<models::Block>& blocks, const PruneOptions& options) {
  for (size_t i = 0; i < blocks.size(); i++)
    for (const auto& projection : blocks[i].linears())
      if (options.layers.contains(layer_key(blocks[i], i, projection))) {
        check_no_adapter(projection);
        projection.linear->execution.reset();
      }
}

// Every matrix to prune, block after block.
std::vector<std::vector<SharedInput>> chosen_inputs(const std::vector<models::Block>& blocks,
                                                    const PruneOptions& options, const Job& job) {
  std::vector<std::vector<SharedInput>> all;
  for (size_t i = 0; i < blocks.size(); i++) {
    all.push_back(shared_inputs(blocks[i], i, options.layers));
    for (const auto& input : all.back())
      for (const auto& matrix : input.matrices) {
        job.check();
        check_matrix(matrix, options.amount);
      }
  }
  return all;
}

PrunedTensor described(const std::string& name, const at::Tensor& tensor) {
  return {name, tensor.numel(), tensor.numel() - at::count_nonzero(tensor).item<int64_t>()};
}

// prune(float32 weight), whatever the matrix is stored in.
template <class Prune>
void with_floats(const at::Tensor& weight, const Prune& prune) {
  const auto floats = weight.to(at::kFloat).contiguous();
  prune(floats);
  if (!floats.is_same(weight)) weight.copy_(floats);
}

// ---- magnitude: no inputs ----

std::vector<Matrix> biases_of(const models::Block& block, size_t number, const PruneOptions& options) {
  std::vector<Matrix> all;
  for (const auto& projection : block.linears())
    if (options.layers.contains(layer_key(block, number, projection)) && projection.linear->bias.defined())
      all.push_back({projection.name + ".bias", &projection.linear->bias});
  return all;
}

std::vector<PrunedTensor> prune_by_magnitude(const std::vector<models::Block>& blocks,
                                             const PruneOptions& options, Job& job) {
  std::vector<Matrix> all;
  const auto inputs = chosen_inputs(blocks, options, job);
  for (size_t i = 0; i < blocks.size(); i++) {
    for (const auto& input : inputs[i]) all.insert(all.end(), input.matrices.begin(), input.matrices.end());
    if (!options.biases) continue;
    const auto biases = biases_of(blocks[i], i, options);
    all.insert(all.end(), biases.begin(), biases.end());
  }
  if (options.amount.has_pattern()) {
    for (const auto& matrix : all) {
      job.check();
      with_floats(*matrix.weight, [&](const at::Tensor& weight) { prune_rows(weight, {}, options.amount); });
    }
  } else {
    std::vector<at::Tensor> pool;
    for (const auto& matrix : all) pool.push_back(*matrix.weight);
    prune_magnitude(pool, options.scope, options.amount.sparsity, &job);
  }
  std::vector<PrunedTensor> pruned;
  for (const auto& [name, weight, _] : all) {
    job.check();
    pruned.push_back(described(name, *weight));
  }
  return pruned;
}

// ---- wanda and sparsegpt ----

std::vector<Heard> hear(const Calibration& calibration, const std::vector<SharedInput>& inputs,
                        Criterion criterion) {
  std::vector<Heard> heard;
  for (const auto& input : inputs) heard.emplace_back(input, criterion, calibration);
  std::vector<Listener> listeners;
  std::vector<OutputListener> output_listeners;
  for (size_t i = 0; i < inputs.size(); i++) {
    listeners.push_back(
        {inputs[i].linear, [&of = heard[i], inner = inputs[i].maybe_inner](const at::Tensor& x_PC) {
           of.add(inner.defined() ? x_PC.matmul(inner.t()) : x_PC);
         }});
    for (size_t j = 0; j < heard[i].outputs.size(); j++)
      if (auto& norm = heard[i].outputs[j])
        output_listeners.push_back(
            {inputs[i].matrices[j].maybe_layer, [&of = *norm](const at::Tensor& y_PR) { of.add(y_PR); }});
  }
  calibration.observe(listeners, output_listeners);
  return heard;
}

// A score with NaN or infinity in it chooses anything.
at::Tensor finite_norms(const InputNorms& heard, const std::string& name) {
  auto norms_C = heard.norms();
  if (!norms_C.isfinite().all().item<bool>()) throw_non_finite_inputs(name);
  return norms_C;
}

// Prunes all matrices of one input; what was heard is given up on the way.
void prune_input(const SharedInput& input, Heard& heard, const PruneOptions& options, const Job& job,
                 std::vector<PrunedTensor>& pruned) {
  const auto norms = heard.norms ? finite_norms(*heard.norms, input.name) : at::Tensor();
  std::optional<InverseFactor> factor;
  if (heard.gram) factor = inverse_factor(heard.gram->take(), options.damping, input.name, job);
  const auto inputs_SC = heard.sample.take();
  for (size_t i = 0; i < input.matrices.size(); i++) {
    const auto& [name, weight, _] = input.matrices[i];
    const auto before = weight->to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    with_floats(*weight, [&](const at::Tensor& floats) {
      if (factor) {
        prune_sparsegpt(floats, *factor, options.amount, options.block, job);
      } else {
        prune_rows(floats, norms, options.amount);
      }
    });
    auto figures = described(name, *weight);
    const auto& heard_before = heard.outputs[i];
    const auto norm_before = heard_before ? std::optional(heard_before->value()) : std::nullopt;
    figures.error = relative_error(before, weight->to(at::kFloat), inputs_SC, norm_before);
    if (factor) figures.damping = factor->damping, figures.retries = factor->retries;
    pruned.push_back(std::move(figures));
  }
}

std::vector<PrunedTensor> prune_by_inputs(models::Model& model, const PruneOptions& options,
                                          std::vector<models::Rows> rows, Job& job) {
  const auto blocks = model.blocks();
  const auto inputs = chosen_inputs(blocks, options, job);
  size_t end = blocks.size();  // behind the last block that has something to prune
  while (end > 0 && inputs[end - 1].empty()) end--;
  std::vector<PrunedTensor> pruned;
  if (end == 0) return pruned;
  Calibration calibration(model, std::move(rows), job);
  for (size_t i = 0; i < end; i++) {
    if (!inputs[i].empty()) {
      auto heard = hear(calibration, inputs[i], options.criterion);
      for (size_t j = 0; j < inputs[i].size(); j++) prune_input(inputs[i][j], heard[j], options, job, pruned);
    }
    if (i + 1 < end) calibration.advance();
    job.progress(Value::Map{{"done", uint64_t{i + 1}}, {"total", uint64_t{end}}});
  }
  return pruned;
}

}  // namespace

Criterion criterion_from_name(const std::string& name) {
  if (name == "magnitude") return Criterion::magnitude;
  if (name == "wanda") return Criterion::wanda;
  if (name == "sparsegpt") return Criterion::sparsegpt;
  throw Error("ERR_USAGE", str("Expected criterion magnitude, wanda or sparsegpt, received '", name, "'"));
}

std::vector<PrunedTensor> prune_weights(models::Model& model, const PruneOptions& options,
                                        std::vector<models::Rows> rows, Job& job) {
  const at::NoGradGuard no_grad;
  free_layers(model.blocks(), options);
  if (options.criterion == Criterion::magnitude) return prune_by_magnitude(model.blocks(), options, job);
  return prune_by_inputs(model, options, std::move(rows), job);
}

}  // namespace tongueforge::compress

#include "models/initialise.h"

#include <cmath>

#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::models {
namespace {

double standard_deviation(const Parameter& parameter, const InitOptions& options) {
  if (parameter.kind == ParameterKind::embedding || parameter.kind == ParameterKind::position)
    return options.embedding_std;
  if (parameter.kind == ParameterKind::convolution)  // He et al. 2015, arXiv 1502.01852
    return std::sqrt(2.0 / static_cast<double>(parameter.shape[1] * parameter.shape[2]));
  if (parameter.kind == ParameterKind::positional)  // as wav2vec 2.0 and its kin draw it
    return std::sqrt(4.0 / static_cast<double>(parameter.shape[0] * parameter.shape[2]));
  const double fan_in = static_cast<double>(parameter.shape[1]);
  double std = options.matrix_std > 0 ? options.matrix_std : options.matrix_gain / std::sqrt(fan_in);
  if (parameter.kind == ParameterKind::attention_output) std *= options.attention_output_gain;
  if (parameter.kind == ParameterKind::mlp_output) std *= options.mlp_output_gain;
  return std;
}

bool is_shift(const Parameter& parameter) {
  return parameter.kind == ParameterKind::bias ||
         (parameter.kind == ParameterKind::kept && parameter.shape.size() == 1);
}

void relate_rows(at::Tensor& table_VD, const InitOptions& options) {
  const double own = std::sqrt(1 - options.correlation * options.correlation);
  for (const auto& [row, model_row] : options.related_rows) {
    if (row < 0 || model_row < 0 || row >= table_VD.size(0) || model_row >= table_VD.size(0))
      throw Error("ERR_CONFIG",
                  str("Expected related rows within the vocabulary, received ", row, " and ", model_row));
    table_VD[row].mul_(own).add_(table_VD[model_row], options.correlation);
  }
}

}  // namespace

void initialise(Model& model, const InitOptions& options) {
  auto generator = at::detail::createCPUGenerator(options.seed);
  for (const auto& parameter : model.parameters()) {
    auto& tensor = *parameter.tensor;
    if (parameter.kind == ParameterKind::norm)
      tensor = at::ones(parameter.shape);
    else if (is_shift(parameter))
      tensor = at::zeros(parameter.shape);
    else
      tensor = at::empty(parameter.shape).normal_(0, standard_deviation(parameter, options), generator);
    if (parameter.kind == ParameterKind::embedding || parameter.kind == ParameterKind::head)
      relate_rows(tensor, options);
  }
  model.complete_drawn();
}

}  // namespace tongueforge::models

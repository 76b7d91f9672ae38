// Random weights for a model that starts from nothing.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "models/model.h"

namespace tongueforge::models {

struct InitOptions {
  uint64_t seed = 0;
  double embedding_std = 0.02;
  double matrix_std = 0.02;  // of matrices and an untied head; 0 = matrix_gain / sqrt(inputs of the matrix)
  double matrix_gain = 1.0;
  /// What writes into the residual stream may be drawn smaller (GPT-2: 1 / sqrt(2 L)).
  double attention_output_gain = 1.0, mlp_output_gain = 1.0;
  /// Rows of embedding and head that start out related: row `first` becomes correlation x row `second`
  /// + sqrt(1 - correlation^2) x its own noise. Stands for what related languages share.
  std::vector<std::pair<int32_t, int32_t>> related_rows;
  double correlation = 0.0;
};

/// Gives a model float32 tensors: normally distributed matrices and convolutions, unit norms and zero biases.
/// Same seed, same bits.
void initialise(Model& model, const InitOptions& options);

}  // namespace tongueforge::models

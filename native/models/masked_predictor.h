// Models that foretell what is hidden from them, each at its own place: words (BERT), clusters of sound
// (HuBERT). Letters: M places, D model, V tokens or clusters.
#pragma once
#include <ATen/core/Tensor.h>

#include "models/model.h"

namespace tongueforge::models {

class MaskedPredictor {
 public:
  virtual ~MaskedPredictor() = default;

  /// Logits in two steps: prediction(hidden) decoder^T + bias. (M,D) -> (M,D)
  virtual at::Tensor prediction(const at::Tensor& hidden_MD) const = 0;
  /// (V,D)
  virtual const at::Tensor& decoder() const = 0;
  /// (V)
  virtual const at::Tensor& decoder_bias() const = 0;
  /// Whether this model has such a head.
  virtual bool predicts_masked() const = 0;
};

/// Null for a model of another kind, or without this head.
const MaskedPredictor* maybe_masked_predictor(const Model& model);

/// Throws ERR_MODEL_CONFIG instead.
const MaskedPredictor& as_masked_predictor(const Model& model);

}  // namespace tongueforge::models

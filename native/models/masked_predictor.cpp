#include "models/masked_predictor.h"

#include "core/error.h"

namespace tongueforge::models {

const MaskedPredictor* maybe_masked_predictor(const Model& model) {
  const auto* predictor = dynamic_cast<const MaskedPredictor*>(&model);
  return predictor && predictor->predicts_masked() ? predictor : nullptr;
}

const MaskedPredictor& as_masked_predictor(const Model& model) {
  if (const auto* predictor = maybe_masked_predictor(model)) return *predictor;
  throw Error("ERR_MODEL_CONFIG",
              "Expected a model that predicts what is hidden from it, received one without such a head",
              "Of text encoders config.json should name BertForMaskedLM or RobertaForMaskedLM under "
              "architectures; of speech, model_type melhubert.");
}

}  // namespace tongueforge::models

// What a text encoder says of texts: a vector, the logits of labels, words for what is hidden. Texts of any
// lengths run packed, without padding, as many at once as make good use of the machine.
// Letters: N texts, D model, C labels.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/job.h"
#include "models/text_encoder.h"

namespace tongueforge::encode {

using Texts = std::vector<std::vector<int32_t>>;

/// How the hidden states of a text become one vector: their mean, or the state of the first token.
enum class Pooling { mean, first };

/// -> (N,D) float32; `normalised`: of length 1. All functions here throw ERR_DATA for ids outside the
/// vocabulary, empty texts and those longer than the model has positions, and tell how many texts are done.
at::Tensor embed(const models::TextEncoder& model, const Texts& texts, Pooling pooling, bool normalised,
                 Job& job);

/// -> (N,C) float32. Throws ERR_MODEL_CONFIG for a model without a classification head.
at::Tensor classify(const models::TextEncoder& model, const Texts& texts, Job& job);

/// The likeliest tokens for one place, the likeliest first.
struct Filling {
  int64_t text, place;
  std::vector<int32_t> ids;
  std::vector<double> probabilities;
};

/// For every place that holds `mask_id`, in order. Throws ERR_MODEL_CONFIG without a masked-LM head.
std::vector<Filling> fill_masks(const models::TextEncoder& model, const Texts& texts, int32_t mask_id,
                                int64_t top_k, Job& job);

}  // namespace tongueforge::encode

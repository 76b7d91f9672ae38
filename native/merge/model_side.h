// A model as one side of a comparison by tensor names.
#pragma once
#include <string>
#include <string_view>

#include "checkpoint/model_weights.h"
#include "merge/vocabulary_tensors.h"

namespace tongueforge::merge {

/// Older checkpoints store the rotary frequencies, newer ones compute them: they are no weights.
inline bool is_rotary_table(std::string_view name) { return name.ends_with("rotary_emb.inv_freq"); }

/// Its weights, what it is called, whether its head is its embedding.
struct Side {
  const checkpoint::ModelWeights& weights;
  std::string role;
  bool tied;

  bool has_own_head() const { return !tied && weights.find(kHeadName); }

  /// What acts under this name in the model: a tied head is the embedding, whatever else the file stores.
  const checkpoint::Weight* acting(std::string_view name) const {
    return weights.find(name == kHeadName && tied ? kEmbeddingName : name);
  }
};

}  // namespace tongueforge::merge

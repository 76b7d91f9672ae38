// What one micro-step learns from.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "models/rows.h"

namespace tongueforge::train {

/// Packed rows, (B,T) each. labels: the token that stands at each place where it is to be predicted from
/// those before it, or the cluster of a place of sound, else -100. segments: number of the document within
/// its row.
struct Batch {
  at::Tensor ids_BT, labels_BT, segments_BT;  // int64; there are no ids where there is sound
  at::Tensor reference_S{};  // float64: what the reference model says of each document, for preferences
  std::vector<at::Tensor> sounds{};  // as models::Rows has them
  at::Tensor hidden_BT{};

  models::Rows rows() const { return {ids_BT, segments_BT, sounds, hidden_BT}; }
};

/// From rows of ids, labels and segments laid end to end. Throws ERR_DATA for sizes that do not match or ids
/// outside the vocabulary.
Batch make_batch(const std::vector<int32_t>& ids, const std::vector<int32_t>& labels,
                 const std::vector<int32_t>& segments, int64_t rows, int64_t vocab_size);

/// Utterances as the facade hands them over.
struct Sounds {
  const std::vector<std::vector<float>>& values;  // of each row: frames laid end to end, or samples
  int64_t frame_width = 0;                        // 0: samples
  const std::vector<int32_t>& hidden;             // 1 where a place is not heard; empty: all are
};

/// From utterances, and labels and segments of their places laid end to end. Throws ERR_DATA for sizes that
/// do not match or labels that are no cluster.
Batch make_sound_batch(const Sounds& sounds, const std::vector<int32_t>& labels,
                       const std::vector<int32_t>& segments, int64_t num_clusters);

/// Where a token is to be predicted: the places before it, as indexes into the flattened rows, and the
/// tokens.
struct Targets {
  at::Tensor places_M, tokens_M;

  explicit Targets(const Batch& batch);
  /// As they are told by the places of the rows one after the other, (B*T): the token that each predicts, or
  /// -100.
  static at::Tensor of_places(const Batch& batch);
  /// Of hidden tokens: each is to be predicted at its own place.
  static Targets hidden(const Batch& batch);
  int64_t count() const { return places_M.numel(); }
  /// For a model on this device.
  Targets on(at::Device device) const;

 private:
  Targets(at::Tensor places, at::Tensor tokens) : places_M(std::move(places)), tokens_M(std::move(tokens)) {}
  explicit Targets(const at::Tensor& labels);  // (B * T), of what is predicted at each place
};

}  // namespace tongueforge::train

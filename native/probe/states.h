// Hidden states of many utterances, kept in memory for the probes that are to learn from them. Letters: L
// layers, R rows of all utterances, D model.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/value.h"

namespace tongueforge::probe {

/// Rows of an utterance within all rows.
struct Stretch {
  int64_t begin = 0, count = 0;
};

class States final : public Object {
 public:
  /// rows: of each utterance how many it will have, 0 for one that is not kept; room for all is made at once.
  /// `pooled`: of an utterance one row is kept, the mean of its places.
  States(int64_t layers, int64_t width, const std::vector<int32_t>& rows, bool pooled);

  int64_t layers() const { return layers_; }
  int64_t width() const { return width_; }
  const Stretch& of(int64_t utterance) const { return stretches_.at(static_cast<size_t>(utterance)); }
  /// (R,D)
  const float* layer(int64_t number) const { return values_.data() + number * rows_ * width_; }

  /// states (L,T,D) float32 of an utterance that is kept. Of the mean, sums are made in double.
  /// @throws ERR_NON_FINITE, ERR_INPUT_CHANGED where it has not as many places as was said
  void set(int64_t utterance, const at::Tensor& states_LTD);

  int64_t bytes() const override { return static_cast<int64_t>(values_.size() * sizeof(float)); }

 private:
  int64_t layers_, width_, rows_ = 0;
  bool pooled_;
  std::vector<Stretch> stretches_;
  std::vector<float> values_;  // (L,R,D)
};

}  // namespace tongueforge::probe

// What a probe is to foretell, and how far off it is. To add one: a file like class_objective.cpp and a row
// in objective.cpp. Letters: M rows, C classes.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tongueforge::probe {

class Objective {
 public:
  virtual ~Objective() = default;

  /// Into how many terms the loss of an utterance with this target falls: the mean over all of them is the
  /// loss of a batch.
  virtual int64_t terms(std::span<const int32_t> target) const = 0;

  /// logits (M,C) double of one utterance -> the sum of its terms. With `gradient`, that of the sum takes
  /// the place of the logits.
  virtual double loss(double* logits, int64_t rows, int64_t classes, std::span<const int32_t> target,
                      bool gradient) const = 0;

  /// What is foretold of an utterance.
  virtual std::vector<int32_t> prediction(const double* logits, int64_t rows, int64_t classes) const = 0;
};

/// A class a row by cross-entropy in nats, where the target says one: a term a row, none where it is -1.
std::unique_ptr<Objective> make_class_objective();

/// A row of tokens by CTC: a term an utterance, its loss by the number of its tokens.
std::unique_ptr<Objective> make_sequence_objective();

/// By kind: class, sequence.
std::unique_ptr<Objective> make_objective(const std::string& kind);

}  // namespace tongueforge::probe

// Knowledge distillation: what a student learns from a teacher beside the tokens of the text (Hinton et al.
// 2015, arXiv 1503.02531), and the teacher's hidden states (DistilHuBERT, arXiv 2110.01900).
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/linear_distillation.h"
#include "models/model.h"

namespace tongueforge::train {

/// Hidden states that are to be alike: of the student and the teacher behind so many blocks.
struct LayerPair {
  size_t student, teacher;
};

struct HiddenOptions {
  std::vector<LayerPair> layers;  // none: hidden states are free
  double weight = 1;              // of the mean over the pairs, in the loss
  double cosine = 1;              // how much the angle counts beside the distance
  uint64_t seed = 0;              // of the projections where student and teacher are not of one width
};

struct DistillationLossOptions {
  std::shared_ptr<const models::Model> teacher;  // never changed
  kernels::DistillationOptions mix;
  HiddenOptions hidden;
};

}  // namespace tongueforge::train

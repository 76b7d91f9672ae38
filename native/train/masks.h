// Weights that are zero and stay zero while others learn: masks of pruned weights through training.
//
// 1. A masked weight is exactly +0 after every update, whatever momentum and decay would have made of it.
// 2. Its gradient counts as zero: the norm, clipping and spikes are those of the weights that live.
// 3. Moments stay dense and see that zero gradient, so that those of a masked weight fade, and those of the
//    others are as they would be without masks. With masks that hide nothing, training is what it was, to the
//    bit.
// 4. Masks only grow.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "kernels/magnitude_mask.h"
#include "models/weights.h"
#include "train/trained_tensors.h"

namespace tongueforge::train {

/// What is masked at the start of a run: training has no masks, has them empty, or over all exact zeros.
enum class Masking { none, empty, zeros };

/// From "none" | "empty" | "zeros". Throws ERR_USAGE.
Masking masking_from_name(const std::string& name);

class Masks {
 public:
  /// Over those trained tensors whose names are in the pool.
  Masks(const TrainedTensors& tensors, const std::set<std::string>& pool, Masking masking);

  bool any() const { return !all_.empty(); }

  struct Counts {
    int64_t prunable = 0, masked = 0;  // weights that have a mask, and those that it hides
  };
  Counts counts() const;

  /// Masks what is smallest by magnitude, what is masked already first, up to a share of the pool, of each
  /// tensor or of each row, and makes it zero. Throws ERR_USAGE where there are no masks. Cancelled,
  /// it leaves all as it was.
  void grow(kernels::MaskScope scope, double sparsity, const Job& job);

  /// In place; gradients in the order of the trained tensors.
  void clear_gradients(const std::vector<at::Tensor>& gradients) const;
  void clear_weights() const;

  /// All masks as "mask.<parameter>", bool: loading writes into these.
  std::vector<models::NamedTensor> state() const;

 private:
  struct Masked {
    std::string name;
    size_t place;             // in the list of all trained tensors
    at::Tensor master, mask;  // mask: bool, true = zero
  };
  std::vector<Masked> all_;
};

}  // namespace tongueforge::train

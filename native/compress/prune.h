// Prunes the weights of a model at once: which matrices, by which criterion, how many.
#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compress/amount.h"
#include "core/job.h"
#include "kernels/magnitude_mask.h"
#include "models/model.h"

namespace tongueforge::compress {

enum class Criterion : uint8_t { magnitude, wanda, sparsegpt };

/// From its name. Throws ERR_USAGE for others.
Criterion criterion_from_name(const std::string& name);

struct PruneOptions {
  Criterion criterion = Criterion::magnitude;
  Amount amount;
  /// Linear layers as "layers.3.self_attn.q_proj": number of the block, name within it. Where one is
  /// factored, its factors are pruned, each as a matrix.
  std::set<std::string> layers;
  kernels::MaskScope scope = kernels::MaskScope::global;  // of magnitude, where there is no pattern
  bool biases = false;                                    // of magnitude: those of the layers, too
  double damping = 0.01;                                  // of sparsegpt: inverse_factor.h
  int64_t block = 128;                                    // of sparsegpt: columns
};

/// What is left of a tensor.
struct PrunedTensor {
  std::string name;  // on disk
  int64_t size = 0, zeros = 0;
  /// || (W - W') X || / || W X || on calibration inputs, up to kErrorPlaces of them, evenly spaced.
  std::optional<double> error{};
  /// sparsegpt: the damping that it took, and how often it had to be raised.
  std::optional<double> damping{};
  int retries = 0;
};

constexpr int64_t kErrorPlaces = 1024;

/// In place; in the order of the forward pass. Criteria that look at inputs take the blocks in turn: the
/// inputs of all layers of a block are gathered as it is, it is pruned, and what it makes of the rows from
/// then on goes into the next. Progress: {done, total} blocks. Throws ERR_NON_FINITE for weights that are no
/// numbers, ERR_ADAPTER for layers that carry one, ERR_CONFIG for what check_amount refuses, before anything
/// is changed; ERR_NON_FINITE and ERR_CALIBRATION for the inputs, as the blocks come.
std::vector<PrunedTensor> prune_weights(models::Model& model, const PruneOptions& options,
                                        std::vector<models::Rows> rows, Job& job);

}  // namespace tongueforge::compress

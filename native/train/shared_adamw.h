// AdamW whose state is shared out among processes: each keeps the moments of its own elements and updates
// those alone (ZeRO stage 1: Rajbhandari et al. 2020, arXiv 1910.02054).
#pragma once
#include <memory>
#include <vector>

#include "distributed/gradient_sync.h"
#include "train/optimizer.h"

namespace tongueforge::train {

/// As make_adamw, for the elements of sync.own_slices(). After its step the masters of other elements are as
/// they were: sync.exchange() brings them. sync must outlive it.
std::unique_ptr<Optimizer> make_shared_adamw(const std::vector<TrainedTensor>& tensors,
                                             const OptimizerOptions& options,
                                             distributed::GradientSync& sync);

}  // namespace tongueforge::train

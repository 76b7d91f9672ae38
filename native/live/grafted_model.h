// A model in memory with deltas on its weights: a new one beside the target, which stays as it is.
#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/job.h"
#include "live/deltas.h"
#include "models/decoder.h"

namespace tongueforge::live {

/// What the delta of a parameter is multiplied by. Names that are not in it: 1.
using Scales = std::map<std::string, float>;

struct GraftedModel {
  std::shared_ptr<models::Decoder> model;
  int64_t tensors_changed = 0;
  int64_t tensors_shared = 0;  // with the target, which has the same bits in them
  int64_t bytes_changed = 0;   // of the changed ones, that is of memory on top of the target
};

/// weight + scale * delta for every parameter, as merge::add_span has it: the arithmetic of a graft to files
/// of the dtype that the target has here. Always from the target's weights, so that nothing adds up. Adapters
/// stay on top. A tied target of which the head has a delta gets a head of its own. `dtype`: of the result
/// where it is to be another one. Progress: {done_bytes, total_bytes} of the target.
/// @throws ERR_UNEXPECTED_TENSOR, ERR_SHAPE_MISMATCH for deltas of another model, ERR_DTYPE, ERR_USAGE for a
/// scale that is not finite, what reading deltas throws, Cancelled
GraftedModel graft_model(const models::Decoder& target, const Deltas& deltas, const Scales& scales,
                         std::optional<at::ScalarType> dtype, int num_threads, Job& job);

}  // namespace tongueforge::live

// What a graft adds to, in memory.
#pragma once
#include <memory>

#include "core/job.h"
#include "merge/graft/graft.h"
#include "models/decoder.h"

namespace tongueforge::live {

/// The target's weights as they are stored, with what the result has and the target has not: rows of added
/// tokens, which are the chat model's, and a head of its own where one of the others has one. The deltas of
/// open_folder_deltas on it make the result. Progress: {done_bytes, total_bytes} of the target.
/// @throws the first of Graft::problems, what opening and loading throw, Cancelled
std::shared_ptr<models::Decoder> load_graft_target(const merge::GraftInputs& inputs,
                                                   models::DecoderSpec target_spec, Job& job);

}  // namespace tongueforge::live

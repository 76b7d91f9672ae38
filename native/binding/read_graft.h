// The inputs of a graft out of the options of a call.
#pragma once
#include "binding/options.h"
#include "merge/graft/graft.h"

namespace tongueforge::binding {

/// {target: {folder, tied}, vectors: ({base, chat} or {delta: path}, scales, base_rows?, chat_rows?)[],
/// tensors, target_rows?, sparsify?: {kind, density, seed}}
merge::GraftInputs read_graft_inputs(const Options& options);

}  // namespace tongueforge::binding

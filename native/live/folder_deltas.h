// The difference of two model folders, computed as it is read: chat - base.
#pragma once
#include <memory>

#include "live/deltas.h"
#include "merge/graft/graft.h"

namespace tongueforge::live {

/// Opens base and chat of the only vector, and matches them with the target's folder as a graft to files
/// does; of the target only headers are read. Holds the files open, and no values. Rows that are added to the
/// target are zeros.
/// @throws the first of Graft::problems, ERR_NOT_FOUND, ERR_SAFETENSORS, ERR_SHARD_INDEX, ERR_IO
std::shared_ptr<Deltas> open_folder_deltas(const merge::GraftInputs& inputs);

}  // namespace tongueforge::live

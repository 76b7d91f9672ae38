// What becomes of the things that a pickle names and calls: each call is looked up, never made.
#pragma once
#include "checkpoint/pickle_globals.h"
#include "checkpoint/pickle_tree.h"

namespace tongueforge::checkpoint {

/// What stands for `global(*arguments)`; these are a tuple. @throws PickleFault
PickleValue call_global(PickleTree& tree, const AllowedGlobal& global, PickleValue arguments);

/// The storage that a persistent id of torch names: ("storage", class, key, device, count). @throws
/// PickleFault
PickleValue load_storage(PickleTree& tree, PickleValue id);

/// Gives `target` the state that `pickle` stored beside it. @throws PickleFault
void build(PickleTree& tree, PickleValue target, PickleValue state);

}  // namespace tongueforge::checkpoint

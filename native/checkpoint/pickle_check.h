// What a tree must be before anybody walks it.
#pragma once
#include "checkpoint/pickle_tree.h"

namespace tongueforge::checkpoint {

/// Its depth and what it expands to are bounded (so nothing holds itself), and its dicts have plain keys,
/// each once.
/// @throws PickleFault
void check_tree(const PickleTree& tree);

}  // namespace tongueforge::checkpoint

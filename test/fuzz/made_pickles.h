// Pickles of torch made at random, and changed operation by operation.
#pragma once
#include <string>
#include <vector>

#include "dice.h"
#include "target.h"

namespace tongueforge::fuzz {

/// A dict of tensors and plain values. @param storages takes the bytes of those that it names "0", "1"...
std::string made_pickle(Dice& dice, std::vector<std::string>& storages);

/// Changes operations, or what they hold with the lengths before it put right.
void mutate_pickle(std::string& pickle, Dice& dice, const ByteMutator& bytes);

}  // namespace tongueforge::fuzz

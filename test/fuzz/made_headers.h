// Safetensors files made at random and changed with their lengths put right; also for the comparison with the
// reference reader.
#pragma once
#include <string>

#include "dice.h"
#include "target.h"

namespace tongueforge::fuzz {

/// A file that is right in all but rare details.
std::string made_safetensors(Dice& dice);

/// Changes the text of the header mostly; its length and the bytes of data are made to fit three times of
/// four.
void mutate_safetensors(std::string& input, Dice& dice, const ByteMutator& bytes);

}  // namespace tongueforge::fuzz

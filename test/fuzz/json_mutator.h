// Changes JSON text by its pieces: numbers, strings, and values with all that is in them.
#pragma once
#include <string>

#include "dice.h"
#include "target.h"

namespace tongueforge::fuzz {

/// One change. Most results are JSON again; some are not, by a byte or a bracket.
void mutate_json(std::string& text, Dice& dice, const ByteMutator& bytes);

/// A string in quotes: names, escapes, and what is no string at all.
std::string some_json_string(Dice& dice);

}  // namespace tongueforge::fuzz

// Small classifiers of fastText made at random, and changed with their counts put right.
#pragma once
#include <string>

#include "dice.h"
#include "target.h"

namespace tongueforge::fuzz {

std::string made_fasttext(Dice& dice);

/// Changes words, sizes or weights; tables are made to fit the head again three times of four.
void mutate_fasttext(std::string& input, Dice& dice, const ByteMutator& bytes);

}  // namespace tongueforge::fuzz

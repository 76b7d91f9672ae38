// Changes JSON text by its pieces: numbers, strings, and values with all that is in them.
#pragma once
#include <string>

#include "dice.h"
#include "target.h"

namespace tongueforge::fuzz {

/// One change. Most results are JSON again; some are not, by a byte or a bracket.
void mutate_json(std::string& text, Dice& dice, const ByteMutator& bytes);

/// How often an input gives way to a new one: once in `one_in` times.
struct Renewal {
  std::string (*fresh)(Dice&);
  size_t one_in;
};

/// What a target that reads JSON alone does to an input: a fresh one now and then, and one to three changes.
void mutate_document(std::string& text, Dice& dice, const ByteMutator& bytes, const Renewal& renewal);

/// A string in quotes: names, escapes, and what is no string at all.
std::string some_json_string(Dice& dice);

}  // namespace tongueforge::fuzz

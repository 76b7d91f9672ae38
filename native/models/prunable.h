// What weight pruning works on.
#pragma once
#include <set>
#include <string>

#include "models/model.h"

namespace tongueforge::models {

/// Names on disk of the weights, factors and biases of all linear layers in the blocks: no embedding, norm or
/// head.
std::set<std::string> prunable_names(const Model& model);

}  // namespace tongueforge::models

// What decides the bytes of a merge, in words: for the journal, which another merge must not follow.
#pragma once
#include <initializer_list>
#include <string>

#include "checkpoint/model_weights.h"

namespace tongueforge::merge {

/// Path, size and time of change.
std::string identity_of(const checkpoint::SafetensorsFile& file);

/// The kind of work, our version, and every weight file of the models.
std::string identity_of(const std::string& work,
                        std::initializer_list<const checkpoint::ModelWeights*> models);

/// Of every weight file.
std::string identity_of(const checkpoint::ModelWeights& model);

}  // namespace tongueforge::merge

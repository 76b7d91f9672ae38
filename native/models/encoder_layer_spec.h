// Sizes of one block of an encoder, of text or of speech.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "models/block.h"

namespace tongueforge::models {

/// Sizes may differ from layer to layer; an encoder has as many kv heads as heads.
struct EncoderLayerSpec : LayerSizes {
  std::map<std::string, int64_t> ranks;  // of linear layers that are factored, by "attention.self.query"
};

}  // namespace tongueforge::models

// A probe as a safetensors file.
#pragma once
#include <string>

#include "probe/head.h"

namespace tongueforge::probe {

/// weight (C,D), bias (C), layer_weights (L), mean (L,D), deviation (L,D) as float32.
/// @throws ERR_EXISTS, ERR_NO_SPACE, ERR_IO
void write_head(const std::string& path, const Head& head);

}  // namespace tongueforge::probe

// The typed spec of a model, as lib/checkpoint/model_config.ts makes it from config.json.
#pragma once
#include "binding/options.h"
#include "models/decoder_spec.h"

namespace tongueforge::binding {

models::DecoderSpec read_decoder_spec(const Options& spec);

}  // namespace tongueforge::binding

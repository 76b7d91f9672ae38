// The typed spec of a model, as lib/checkpoint/model_config.ts makes it from config.json.
#pragma once
#include <memory>

#include "binding/options.h"
#include "models/decoder_spec.h"
#include "models/encoder_spec.h"
#include "models/model.h"
#include "models/speech_spec.h"

namespace tongueforge::binding {

models::DecoderSpec read_decoder_spec(const Options& spec);
models::EncoderSpec read_encoder_spec(const Options& spec);
models::SpeechSpec read_speech_spec(const Options& spec);

/// A model of any kind without its tensors: to be read, or drawn.
std::shared_ptr<models::Model> make_model(const Options& spec);

}  // namespace tongueforge::binding

// What a speech encoder makes of sounds: hidden states, layer by layer. Sounds of like lengths run together,
// as many at once as make good use of the machine; each comes out as it does alone. Letters: C values a
// frame, S samples, L layers that are asked for, T places, D model.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/job.h"
#include "models/speech_encoder.h"

namespace tongueforge::encode {

/// A sound as its model hears it, and which of its places are not heard.
struct Sound {
  at::Tensor data;        // float32 on the CPU: frames (T,C), or samples (S)
  at::Tensor hidden_T{};  // bool; undefined: all are heard
};

/// In place of the number of a layer: what the whole model gives, a norm behind its blocks included.
constexpr int64_t kLast = -1;

/// Of each sound (L,T,D) float32 on the CPU. layers: 0 is what goes into the first block, n what the n-th
/// gives. Throws ERR_DATA for sounds that the model cannot hear, and tells how many are done.
std::vector<at::Tensor> sound_states(const models::SpeechEncoder& model, const std::vector<Sound>& sounds,
                                     const std::vector<int64_t>& layers, Job& job);

}  // namespace tongueforge::encode

// Where a model lives: on the CPU, or on one GPU.
#pragma once
#include <c10/core/Device.h>

#include <string>

#include "models/model.h"

namespace tongueforge::models {

/// From cpu, cuda, or cuda:N with the number of a GPU. Throws ERR_USAGE for other words, and ERR_DEVICE for a
/// GPU that this build or this machine does not have: what was asked for is never replaced in silence.
at::Device device_from_name(const std::string& name);

/// GPUs that libtorch sees.
int64_t num_gpus();

/// Moves all tensors of a model. A model has no other device than that of its tensors.
void move_to(Model& model, at::Device device);

}  // namespace tongueforge::models

// What libtorch throws, in our words.
#pragma once
#include <c10/util/Exception.h>

#include <string>

#include "core/error.h"

namespace tongueforge::kernels {

/// ERR_OUT_OF_MEMORY with this hint where memory was short, else ERR_TORCH. The allocators of GPUs throw a
/// type of their own; that of the CPU (c10/core/impl/alloc_cpu.cpp) throws what everything throws, and is
/// known by its words.
Error error_of_torch(const c10::Error& error, const std::string& memory_hint);

}  // namespace tongueforge::kernels

// libtorch as this project uses it: ATen's operators, never torch/torch.h (it costs five times as much to
// compile). Precompiled; differences between libtorch versions would be bridged here. Autograd is in
// kernels/autograd.h.
#pragma once
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

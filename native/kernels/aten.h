// libtorch as this project uses it: ATen operators and autograd, never torch/torch.h (it costs five times as
// much to compile). Precompiled; differences between libtorch versions would be bridged here.
#pragma once
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

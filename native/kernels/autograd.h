// ATen and autograd, for the files that define a torch::autograd::Function or ask for gradients. Not
// precompiled: the templates of a precompiled header are paid for by every file, needed or not.
#pragma once
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/aten.h"

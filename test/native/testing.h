// Included before every native test that sees ATen, by the build: libtorch's logging defines CHECK and its
// kin as macros that end the process; after this header they are doctest's, which count and report.
#pragma once
#include "kernels/aten.h"

#undef CHECK
#undef CHECK_EQ
#undef CHECK_NE
#undef CHECK_GT
#undef CHECK_GE
#undef CHECK_LT
#undef CHECK_LE

#include "doctest.h"

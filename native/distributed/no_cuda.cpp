// Answers in a build without CUDA for nccl_cuda.cpp.
#include "core/error.h"
#include "distributed/backend.h"

namespace tongueforge::distributed {

BackendPtr make_nccl(const StorePtr&, const BackendOptions&) {
  throw Error("ERR_DEVICE", "Expected a build with CUDA for NCCL, and this one has none",
              "Set distributed.backend to gloo, or build with npm run build -- --cuda.");
}

}  // namespace tongueforge::distributed

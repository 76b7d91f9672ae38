// NCCL, in CUDA builds that find its header: beside libtorch, or in the toolkit.
#include "core/error.h"
#include "distributed/backend.h"

#if __has_include(<nccl.h>) && __has_include(<cusparse.h>)
#define USE_C10D_NCCL 1
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

namespace tongueforge::distributed {

BackendPtr make_nccl(const StorePtr& store, const BackendOptions& options) {
  const auto how = c10d::ProcessGroupNCCL::Options::create();
  how->timeout = options.timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, options.rank, options.size, how);
}

}  // namespace tongueforge::distributed
#else
namespace tongueforge::distributed {

BackendPtr make_nccl(const StorePtr&, const BackendOptions&) {
  throw Error("ERR_DEVICE", "Expected a build with NCCL, and nccl.h was not found when this one was made",
              "Set distributed.backend to gloo, or install NCCL and build again.");
}

}  // namespace tongueforge::distributed
#endif

// The frame of the CUDA twins, as far as it shows without a GPU. The twins themselves are tested by the op
// harness.
#include "core/error.h"
#include "kernels/cuda/devices.h"
#include "kernels/cuda/glue.h"
#include "kernels/rms_norm_cuda.h"
#include "testing.h"

namespace tongueforge {
namespace {

using namespace kernels;

TEST_CASE("tensors on the CPU have no CUDA twin") {
  const auto x = at::ones({2, 3});
  CHECK_FALSE(cuda::has_twin(x));
  CHECK_FALSE(cuda::has_twin(x, x));
}

TEST_CASE("the list of GPUs is empty for a reason that is told") {
  const auto found = cuda::devices();
  CHECK(found.list.empty() != found.problem.empty());
  if (!cuda::kBuilt) CHECK(found.problem == "this build has no CUDA kernels");
  for (const auto& device : found.list) {
    CHECK_FALSE(device.name.empty());
    CHECK(device.memory_bytes > 0);
    CHECK(device.major >= 1);
  }
}

#if TONGUEFORGE_CUDA
// More shared memory than any GPU has; without a GPU, no kernel at all can be started.
TEST_CASE("a kernel that cannot be started is an error that names it, and the next one is not blamed") {
  cuda::RmsNormBackward wide = {};
  wide.rows = 1;
  wide.d = int64_t{1} << 24;
  for (int i = 0; i < 2; i++) {
    try {
      cuda::rms_norm_backward(cuda::Element::f64, wide, nullptr);
      FAIL("started");
    } catch (const Error& error) {
      CHECK(error.code() == "ERR_CUDA");
      CHECK(error.message().starts_with("CUDA kernel rms_norm_backward: "));
      CHECK(error.hint().find("CUDA_LAUNCH_BLOCKING=1") != std::string::npos);
    }
  }
  if (cuda::devices().list.empty()) return;
  const auto x = at::ones({2, 8}, at::kCUDA), weight = at::ones({8}, at::kCUDA), y = at::empty_like(x);
  const auto rstd = at::empty({2}, at::kCUDA);
  const cuda::RmsNormForward f = {
      x.data_ptr(), nullptr, weight.data_ptr(), nullptr, y.data_ptr(), rstd.data_ptr(), 2, 8, 0};
  CHECK_NOTHROW(cuda::rms_norm_forward(cuda::element_of(x), f, cuda::stream_of(x)));
  CHECK(at::equal(y.cpu(), at::ones({2, 8})));
}
#endif

}  // namespace
}  // namespace tongueforge

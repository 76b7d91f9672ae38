#include "kernels/matmul_rate.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <chrono>

#include "kernels/aten.h"
#include "kernels/matrix_product.h"

namespace tongueforge::kernels {

namespace {

// A GPU is given work and done with it later. Its other streams are none of ours: one may be recorded.
void wait_for(c10::Device device) {
  if (!device.is_cpu()) c10::impl::VirtualGuardImpl(device.type()).getStream(device).synchronize();
}

}  // namespace

double measure_matmul_rate(c10::ScalarType dtype, c10::Device device, double seconds, const Job& job) {
  using Clock = std::chrono::steady_clock;
  const int64_t size = device.is_cpu() ? 1024 : 8192;
  const at::NoGradGuard no_grad;
  const auto a = at::ones({size, size}, at::device(device).dtype(dtype));
  const auto b = at::ones({size, size}, at::device(device).dtype(dtype));
  const auto product = matrix_product(a, b);  // the first one also loads and sets up
  wait_for(device);
  double best = 0;
  const auto start = Clock::now();
  for (int round = 0; round < 3 || std::chrono::duration<double>(Clock::now() - start).count() < seconds;
       round++) {
    job.check();
    const auto began = Clock::now();
    matrix_product_into(product, a, b);
    wait_for(device);
    const double taken = std::chrono::duration<double>(Clock::now() - began).count();
    best = std::max(best, 2.0 * static_cast<double>(size * size * size) / taken);
  }
  return best;
}

}  // namespace tongueforge::kernels

#include "kernels/matmul_rate.h"

#include <algorithm>
#include <chrono>

#include "kernels/aten.h"
#include "kernels/matrix_product.h"

namespace tongueforge::kernels {

double measure_matmul_rate(c10::ScalarType dtype, double seconds, const Job& job) {
  using Clock = std::chrono::steady_clock;
  constexpr int64_t kSize = 1024;
  const at::NoGradGuard no_grad;
  const auto a = at::ones({kSize, kSize}, dtype);
  const auto b = at::ones({kSize, kSize}, dtype);
  const auto product = matrix_product(a, b);  // the first one also loads and sets up
  double best = 0;
  const auto start = Clock::now();
  for (int round = 0; round < 3 || std::chrono::duration<double>(Clock::now() - start).count() < seconds;
       round++) {
    job.check();
    const auto began = Clock::now();
    matrix_product_into(product, a, b);
    const double taken = std::chrono::duration<double>(Clock::now() - began).count();
    best = std::max(best, 2.0 * kSize * kSize * kSize / taken);
  }
  return best;
}

}  // namespace tongueforge::kernels

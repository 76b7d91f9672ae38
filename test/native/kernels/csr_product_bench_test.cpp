// The table of bench/csr_product.md: how many times faster a product is with the non-zeros alone, in this
// thread's processor time:
//   native_tests --no-skip -tc="products with non-zeros*"
#include <cstdio>

#include "doctest.h"
#include "kernels/aten.h"
#include "kernels/csr_product.h"
#include "kernels/linear.h"
#include "kernels/processor_time.h"

using namespace tongueforge;
using test::seconds_of;

namespace {

constexpr double kZeros[] = {0.5, 0.6, 0.7, 0.8, 0.9, 0.95};
constexpr int64_t kSizes[][2] = {{768, 768}, {768, 3072}, {3072, 768}, {4096, 4096}};  // in, out
constexpr int64_t kRows[] = {1, 8, 64, 512};

}  // namespace

TEST_CASE("products with non-zeros, against whole ones" * doctest::skip()) {
  const at::NoGradGuard no_grad;
  at::set_num_threads(1);
  std::printf("| in x out | rows | whole, us | 50 %% | 60 %% | 70 %% | 80 %% | 90 %% | 95 %% |\n");
  for (const auto& [inputs, outputs] : kSizes)
    for (const int64_t rows : kRows) {
      const auto x = at::randn({rows, inputs}), w = at::randn({outputs, inputs});
      const double whole = seconds_of([&] { kernels::linear(x, w); });
      std::printf("| %ld x %ld | %ld | %.0f |", static_cast<long>(inputs), static_cast<long>(outputs),
                  static_cast<long>(rows), 1e6 * whole);
      for (const double zeros : kZeros) {
        const auto csr = kernels::csr_matrix(w * (at::rand_like(w) >= zeros));
        std::printf(" %.2f |", whole / seconds_of([&] { kernels::csr_linear(x, csr, {}); }));
      }
      std::printf("\n");
    }
}

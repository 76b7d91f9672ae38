// The table of products in bench/generate.md, in this thread's processor time:
//   native_tests --no-skip -tc="products of few rows*"
#include <cstdio>

#include "doctest.h"
#include "kernels/aten.h"
#include "kernels/few_rows.h"
#include "kernels/linear.h"
#include "kernels/processor_time.h"

using namespace tongueforge;
using test::seconds_of;

namespace {

constexpr int64_t kSizes[][2] = {{64, 172}, {768, 768}, {768, 2048}, {2048, 768}, {768, 32000}, {2048, 8192}};
constexpr int64_t kRows[] = {1, 2, 4, 8, 16, 32};

}  // namespace

TEST_CASE("products of few rows, against those for many" * doctest::skip()) {
  at::set_num_threads(1);
  std::printf(
      "| dtype | in x out | rows | many, us | few, us | times | GB/s |\n|---|---|---|---|---|---|---|\n");
  for (const auto dtype : {at::kFloat, at::kBFloat16})
    for (const auto& [inputs, outputs] : kSizes)
      for (const int64_t rows : kRows) {
        const at::NoGradGuard no_grad;
        const auto options = at::TensorOptions(dtype);
        const auto x = at::randn({rows, inputs}, options), w = at::randn({outputs, inputs}, options);
        const double few = seconds_of([&] { kernels::few_rows_linear(x, w, {}); });
        const kernels::AsRecordedScope scope;
        const double many = seconds_of([&] { kernels::linear(x, w); });
        std::printf("| %s | %ld x %ld | %ld | %.0f | %.0f | %.2f | %.1f |\n", c10::toString(dtype),
                    static_cast<long>(inputs), static_cast<long>(outputs), static_cast<long>(rows),
                    1e6 * many, 1e6 * few, many / few, 1e-9 * static_cast<double>(w.nbytes()) / few);
      }
}

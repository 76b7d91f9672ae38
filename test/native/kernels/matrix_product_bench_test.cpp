// The table behind the rule of kernels/matrix_product.h, in GFLOP/s of this thread's processor time:
//   native_tests --no-skip -tc="matrix products*"
#include <ctime>
#include <limits>

#include "doctest.h"
#include "kernels/aten.h"
#include "kernels/matrix_product.h"

using namespace tongueforge;

namespace {

double processor_seconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// The best of seven, in GFLOP/s.
template <class Work>
double rate(double operations, const Work& work) {
  work();
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 7; i++) {
    const double start = processor_seconds();
    work();
    best = std::min(best, processor_seconds() - start);
  }
  return operations / best / 1e9;
}

struct Rates {
  double aten, ours;
};

Rates compare(const at::Tensor& a, const at::Tensor& b) {
  auto out = at::empty({a.size(0), b.size(1)}, a.options());
  const double operations = 2.0 * static_cast<double>(a.numel() * b.size(1));
  return {rate(operations, [&] { at::mm_out(out, a, b); }),
          rate(operations, [&] { kernels::matrix_product_into(out, a, b); })};
}

void print_row(at::ScalarType dtype, int64_t in, int64_t out, int64_t rows) {
  const auto x = at::randn({rows, in}).to(dtype), weight = at::randn({out, in}).to(dtype);
  const auto dy = at::randn({rows, out}).to(dtype);
  const auto y = compare(x, weight.t()), dx = compare(dy, weight), dw = compare(dy.t(), x);
  std::printf("| %s | %lld x %lld | %lld | %.0f / %.0f | %.0f / %.0f | %.0f / %.0f |\n",
              dtype == at::kFloat ? "float32" : "bfloat16", static_cast<long long>(in),
              static_cast<long long>(out), static_cast<long long>(rows), y.aten, y.ours, dx.aten, dx.ours,
              dw.aten, dw.ours);
}

}  // namespace

TEST_CASE("matrix products, ATen against ours" * doctest::skip()) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  std::puts("| type | in x out | rows | y: ATen / ours | dX | dW |\n|---|---|---|---|---|---|");
  for (const auto dtype : {at::kFloat, at::kBFloat16})
    for (const auto& [in, out] : {std::pair<int64_t, int64_t>{384, 1024},
                                  {384, 8192},
                                  {768, 768},
                                  {768, 2048},
                                  {2048, 768},
                                  {768, 32000}})
      for (const int64_t rows : {1, 64, 512, 2048, 8192})
        if (rows * out < int64_t{1} << 26) print_row(dtype, in, out, rows);  // a minute, not five
  at::set_num_threads(threads);
}

// The table of bench/quantized_product.md: how many times faster a product of whole numbers is than one of
// the weights, in this thread's processor time:
//   native_tests --no-skip -tc="products of whole numbers*"
#include "nn/quantized_execution.h"

#include <cstdio>

#include "doctest.h"
#include "kernels/aten.h"
#include "kernels/linear.h"
#include "kernels/processor_time.h"

using namespace tongueforge;
using test::seconds_of;

namespace {

constexpr int64_t kSizes[][2] = {{768, 768}, {768, 3072}, {2048, 2048}, {2048, 8192}};  // in, out
constexpr int64_t kRows[] = {1, 4, 16, 128};
constexpr int64_t kGroup = 128;

std::shared_ptr<const nn::Quantized> random_numbers(int64_t bits, int64_t outputs, int64_t inputs) {
  const int64_t most = 1 << (bits - 1), groups = bits == 4 ? inputs / kGroup : 1;
  const auto codes = at::randint(-most + 1, most, {outputs, inputs}, at::kChar);
  const auto scales = at::rand({outputs, groups}).to(at::kBFloat16);
  return std::make_shared<const nn::Quantized>(nn::Quantized{nn::Codes::of_bytes(codes, bits), scales, {}});
}

// ATen's own, which has no more than a loop in float32.
double seconds_in_floats(const at::Tensor& x, const nn::Quantized& weight) {
  const auto codes = weight.codes.bytes();
  if (weight.codes.bits() == 8) {
    const auto scales = weight.scales_OG.flatten().to(at::kFloat);
    return seconds_of([&] { at::_weight_int8pack_mm(x, codes, scales); });
  }
  const auto packed = at::_convert_weight_to_int4pack_for_cpu(codes.to(at::kInt).add_(8), 1);
  const auto scales = weight.scales_OG.to(at::kFloat).t();
  const auto both = at::stack({scales, at::zeros_like(scales)}, 2).contiguous();
  return seconds_of([&] { at::_weight_int4pack_mm_for_cpu(x, packed, kGroup, both); });
}

void print_row(at::ScalarType dtype, int64_t inputs, int64_t outputs, int64_t rows) {
  const auto x = at::randn({rows, inputs}).to(dtype), w = at::randn({outputs, inputs}).to(dtype);
  const double whole = seconds_of([&] { kernels::linear(x, w); });
  std::printf("| %s | %ld x %ld | %ld | %.0f |", c10::toString(dtype), static_cast<long>(inputs),
              static_cast<long>(outputs), static_cast<long>(rows), 1e6 * whole);
  for (const int64_t bits : {8, 4}) {
    const auto weight = random_numbers(bits, outputs, inputs);
    const nn::QuantizedExecution packed(weight, {}, {true, true});
    const double seconds =
        dtype == at::kFloat ? seconds_in_floats(x, *weight) : seconds_of([&] { packed(x, {}); });
    const double anew = seconds_of([&] { kernels::linear(x, weight->dense().to(dtype)); });
    std::printf(" %.2f | %.2f |", whole / seconds, whole / anew);
  }
  std::printf("\n");
}

}  // namespace

TEST_CASE("products of whole numbers, against those of weights" * doctest::skip()) {
  const at::NoGradGuard no_grad;
  at::set_num_threads(1);
  std::printf("| dtype | in x out | rows | whole, us | 8 bits | made anew | 4 bits | made anew |\n");
  for (const auto dtype : {at::kBFloat16, at::kFloat})
    for (const auto& [inputs, outputs] : kSizes)
      for (const int64_t rows : kRows) print_row(dtype, inputs, outputs, rows);
}

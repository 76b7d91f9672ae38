// Linear layers on a few rows with weights of 8 and 4 bits, at every level of instructions of this machine.
#include "kernels/few_rows_codes.h"

#include "doctest.h"
#include "kernels/aten.h"
#include "nn/quantized.h"

using namespace tongueforge;

namespace {

at::Generator random(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

std::vector<Instructions> levels() {
  std::vector<Instructions> all = {Instructions::Any};
  if (instructions() >= Instructions::Avx2) all.push_back(Instructions::Avx2);
  if (instructions() >= Instructions::Avx512) all.push_back(Instructions::Avx512);
  return all;
}

struct Shape {
  int64_t bits, inputs, outputs, groups;
  bool zeros;
};

// Lanes of every level and their rests: groups of 8, 24, 40, 64 and 160 inputs.
const Shape kShapes[] = {{8, 1, 1, 1, false},    {8, 33, 5, 1, false}, {8, 172, 21, 1, false},
                         {4, 8, 1, 1, false},    {4, 24, 5, 1, true},  {4, 80, 6, 2, true},
                         {4, 192, 21, 3, false}, {4, 320, 13, 2, true}};

struct Drawn {
  kernels::CodedWeight weight;
  at::Tensor exact_OI;  // float64
};

Drawn drawn(const Shape& s, uint64_t seed) {
  const int64_t most = 1 << (s.bits - 1);
  const auto codes = at::randint(-most, most, {s.outputs, s.inputs}, random(seed), at::kChar);
  const auto scales = at::rand({s.outputs, s.groups}, random(seed + 1), at::kFloat).add_(0.1);
  const auto zeros =
      s.zeros ? at::randint(-most, most, {s.outputs, s.groups}, random(seed + 2), at::kChar) : at::Tensor();
  const auto held = nn::Codes::of_bytes(codes, s.bits);
  const nn::Quantized exact = {held, scales.to(at::kDouble), zeros};
  return {{s.bits, s.inputs, s.bits == 4 ? held.words() : held.bytes(), scales, zeros}, exact.dense()};
}

// As in few_rows_test.cpp: an ulp of float32 for each addition, of the sum of sizes, code 0 and the product
// with its scale among them; then one rounding of the dtype.
void check_close(const at::Tensor& ours, const at::Tensor& x, const Drawn& w, const at::Tensor& bias) {
  const auto wide = x.to(at::kDouble), wide_bias = bias.to(at::kDouble);
  const auto exact = at::linear(wide, w.exact_OI, wide_bias);
  const auto scales =
      w.weight.scales_OG.to(at::kDouble).repeat_interleave(w.weight.inputs / w.weight.scales_OG.size(1), 1);
  const auto terms = at::linear(wide.abs(), w.exact_OI.abs() + 16 * scales, wide_bias.abs());
  const double half_ulp = ours.scalar_type() == at::kFloat ? 6e-8 : 3.92e-3;
  const auto most = terms * (static_cast<double>(w.weight.inputs + 4) * 6e-8) + exact.abs() * half_ulp;
  REQUIRE(ours.sizes() == exact.sizes());
  CHECK((ours.to(at::kDouble) - exact).abs().le(most).all().item<bool>());
}

}  // namespace

TEST_CASE("whole numbers give the linear layer of float64, for every bits, group, number of rows and level") {
  for (const auto dtype : {at::kFloat, at::kBFloat16})
    for (const auto level : levels())
      for (const auto& shape : kShapes) {
        const auto w = drawn(shape, 1);
        REQUIRE(kernels::takes_coded(w.weight));
        const auto bias = at::randn({shape.outputs}, random(4), at::kFloat).to(dtype);
        for (const int64_t rows : {1, 2, 3, 4, 7, 33}) {
          CAPTURE(dtype);
          CAPTURE(static_cast<int>(level));
          CAPTURE(shape.bits);
          CAPTURE(shape.inputs);
          CAPTURE(rows);
          const auto x = at::randn({rows, shape.inputs}, random(5), at::kFloat).to(dtype);
          check_close(kernels::coded_linear(x, w.weight, bias, level), x, w, bias);
          check_close(kernels::coded_linear(x, w.weight, {}, level), x, w, at::zeros_like(bias));
        }
      }
}

TEST_CASE("rows of whole numbers give the same bits alone and among others, on one thread and on two") {
  for (const auto level : levels())
    for (const Shape& shape : {Shape{8, 172, 1531, 1, false}, Shape{4, 320, 821, 2, true}}) {
      const auto w = drawn(shape, 7).weight;
      const auto x = at::randn({9, shape.inputs}, random(8), at::kFloat).to(at::kBFloat16);
      const int before = at::get_num_threads();
      at::set_num_threads(1);
      std::vector<at::Tensor> alone;
      for (const auto& row : x.split(1)) alone.push_back(kernels::coded_linear(row, w, {}, level));
      for (const int threads : {1, 2}) {
        at::set_num_threads(threads);
        for (const int64_t rows : {1, 2, 3, 5, 8, 9})
          CHECK(kernels::coded_linear(x.narrow(0, 9 - rows, rows), w, {}, level)
                    .equal(at::cat(alone).narrow(0, 9 - rows, rows)));
      }
      at::set_num_threads(before);
    }
}

TEST_CASE("whole numbers are taken of known layouts alone") {
  const auto eight = drawn({8, 32, 4, 1, false}, 9).weight, four = drawn({4, 32, 4, 2, true}, 9).weight;
  REQUIRE(kernels::takes_coded(eight));
  REQUIRE(kernels::takes_coded(four));
  const auto changed = [](kernels::CodedWeight w, const auto& change) {
    change(w);
    return kernels::takes_coded(w);
  };
  CHECK_FALSE(changed(eight, [](auto& w) { w.scales_OG = at::ones({4, 2}); }));
  CHECK_FALSE(changed(eight, [](auto& w) { w.scales_OG = w.scales_OG.to(at::kBFloat16); }));
  CHECK_FALSE(changed(eight, [](auto& w) { w.maybe_zeros_OG = at::zeros({4, 1}, at::kChar); }));
  CHECK_FALSE(changed(eight, [](auto& w) { w.codes = w.codes.t(); }));
  CHECK_FALSE(changed(four, [](auto& w) {  // groups of 4 inputs
    w.scales_OG = at::ones({4, 8}), w.maybe_zeros_OG = at::Tensor();
  }));
  CHECK_FALSE(changed(four, [](auto& w) { w.maybe_zeros_OG = at::zeros({4, 1}, at::kChar); }));
  CHECK_FALSE(changed(four, [](auto& w) { w.bits = 2; }));
}

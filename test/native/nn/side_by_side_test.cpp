#include "nn/side_by_side.h"

#include "doctest.h"
#include "kernels/aten.h"
#include "kernels/swiglu.h"

using namespace tongueforge;

namespace {

nn::Linear layer_of(int64_t outputs, bool biased, at::ScalarType dtype) {
  nn::Linear layer;
  layer.weight = at::randn({outputs, 40}).to(dtype);
  if (biased) layer.bias = at::randn({outputs}).to(dtype);
  return layer;
}

struct DoublingExecution final : nn::Execution {
  at::Tensor operator()(const at::Tensor& x, const at::Tensor&) const override { return x * 2; }
  int64_t bytes() const override { return 0; }
};

}  // namespace

TEST_CASE("layers side by side give the bits of each alone, few rows or many, recorded or not") {
  at::manual_seed(8);
  for (const auto dtype : {at::kFloat, at::kBFloat16})
    for (const bool records : {false, true})
      for (const int64_t rows : {1, 32, 40}) {
        const at::AutoGradMode mode(records);
        const auto x = at::randn({1, rows, 40}).to(dtype);
        const auto q = layer_of(30, true, dtype), k = layer_of(7, false, dtype),
                   v = layer_of(30, false, dtype);
        const auto all = nn::side_by_side(x, {&q, &k, &v});
        CHECK(all[0].equal(q(x)));
        CHECK(all[1].equal(k(x)));
        CHECK(all[2].equal(v(x)));
        CHECK(nn::gated(x, q, v).equal(kernels::swiglu(q(x), v(x))));
      }
}

TEST_CASE("a layer that is more than its weight runs as it is beside plain ones") {
  const at::NoGradGuard no_grad;
  const auto plain = layer_of(9, false, at::kFloat);
  auto other = layer_of(9, false, at::kFloat);
  other.execution = std::make_shared<DoublingExecution>();
  const auto x = at::randn({1, 1, 40});
  const auto all = nn::side_by_side(x, {&plain, &other});
  CHECK(all[0].equal(plain(x)));
  CHECK(all[1].equal(x * 2));
}

#include "doctest.h"
#include "kernels/aten.h"
#include "kernels/row_product.h"
#include "nn/linear.h"

using namespace tongueforge;

namespace {

/// Adds to each row how many there are, as code that chooses by their number might.
struct CountingExecution final : nn::Execution {
  at::Tensor operator()(const at::Tensor& x, const at::Tensor&) const override {
    return x + static_cast<double>(x.numel() / x.size(-1));
  }
  int64_t bytes() const override { return 0; }
};

}  // namespace

TEST_CASE("layers that choose their code by the number of rows get them one by one within a scope") {
  const at::NoGradGuard no_grad;
  nn::Linear layer;
  layer.weight = at::eye(4);
  layer.execution = std::make_shared<CountingExecution>();
  const auto x = at::arange(24, at::kFloat).view({3, 2, 4});
  CHECK(at::equal(layer(x), x + 6));
  const kernels::RowwiseScope each_row_alone;
  CHECK(at::equal(layer(x), x + 1));
}

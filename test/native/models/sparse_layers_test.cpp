// A pruned model that leaves its zeros out: the same answers, no gradients, no more than what timing says.
#include "models/sparse_layers.h"

#include "kernels/autograd.h"
#include "models/tiny_decoder.h"

// Last: libtorch has a CHECK of its own, which ends the program.
#include "doctest.h"

using namespace tongueforge;

namespace {

SilentJob job;

// Wide enough that a product takes longer than its call.
std::shared_ptr<models::Decoder> pruned_decoder(double zeros) {
  auto spec = test::tiny_spec();
  spec.hidden_size = 256;
  spec.head_dim = 64;
  for (auto& layer : spec.layers) layer.intermediate_size = 512;
  auto model = test::tiny_decoder(spec);
  uint64_t seed = 1;
  for (const auto& block : model->blocks())
    for (const auto& [_, linear] : block.linears())
      linear->weight *=
          at::rand(linear->weight.sizes(), at::detail::createCPUGenerator(seed++), at::kFloat) >= zeros;
  return model;
}

at::Tensor ids(int64_t time) {
  return at::randint(0, 50, {1, time}, at::detail::createCPUGenerator(4), at::kLong);
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

}  // namespace

TEST_CASE("a pruned model answers the same to 1e-5, for one row and for more") {
  const at::NoGradGuard no_grad;
  const auto model = pruned_decoder(0.97);
  const auto one = model->hidden(ids(1)), more = model->hidden(ids(40));
  const auto layers = models::use_sparse_layers(*model, 40, job);
  CHECK(layers.size() == 14);
  size_t used = 0;
  for (const auto& layer : layers) {
    used += layer.use.one || layer.use.more;
    CHECK(layer.zeros > 0.95);
    CHECK(layer.use.one == (layer.one.other <= 0.95 * layer.one.dense));
    CHECK(layer.use.more == (layer.more.other <= 0.95 * layer.more.dense));
  }
  CHECK(used > 0);
  CHECK(difference(model->hidden(ids(1)), one) < 1e-5);
  CHECK(difference(model->hidden(ids(40)), more) < 1e-5);
}

TEST_CASE("every way of multiplying gives the same product") {
  const at::NoGradGuard no_grad;
  const auto model = pruned_decoder(0.9);
  auto& linear = *model->blocks()[0].narrow.linear;
  for (const int64_t rows : {1, 7})
    for (const bool one : {false, true})
      for (const bool more : {false, true}) {
        const auto x = at::randn({rows, 512}, at::detail::createCPUGenerator(3), at::kFloat);
        const nn::SparseExecution sparse(linear.weight, {one, more});
        const bool is_sparse = rows == 1 ? one : more;
        const auto dense = at::linear(x, linear.weight);
        CHECK(difference(sparse(x, {}), dense) < 1e-5);
        CHECK(sparse(x, {}).equal(kernels::csr_linear(x, kernels::csr_matrix(linear.weight), {})) ==
              is_sparse);
      }
}

TEST_CASE("layers without many zeros, factored, or of another dtype are not timed") {
  const auto model = pruned_decoder(0.2);
  CHECK(models::use_sparse_layers(*model, 8, job).empty());
  const auto half = pruned_decoder(0.9);
  for (const auto& block : half->blocks())
    for (const auto& [_, linear] : block.linears()) linear->weight = linear->weight.to(at::kBFloat16);
  CHECK(models::use_sparse_layers(*half, 8, job).empty());
  const auto factored = pruned_decoder(0.9);
  auto& linear = *factored->blocks()[0].q.linear;
  linear.factors = nn::Factors{2, at::zeros({256, 2}), at::zeros({2, 256})};
  linear.weight = at::Tensor();
  CHECK(models::use_sparse_layers(*factored, 8, job).size() == 13);
}

TEST_CASE("where a gradient is recorded the weight itself is used") {
  const auto model = pruned_decoder(0.97);
  auto& linear = *model->blocks()[0].q.linear;
  linear.execution =
      std::make_shared<nn::SparseExecution>(linear.weight.clone().zero_(), nn::RowUse{true, true});
  const auto x = at::randn({3, 256}, at::detail::createCPUGenerator(3), at::kFloat).requires_grad_();
  CHECK(torch::autograd::grad({linear(x).sum()}, {x})[0].abs().max().item<double>() > 0);
  const at::NoGradGuard no_grad;
  CHECK(linear(x).sub(linear.bias).abs().max().item<double>() == 0);  // of the zeros that it was given
}

// A loss of fixed shape, as a recorded step has it, against the same loss of each batch by itself.
#include "train/fixed_loss.h"

#include "doctest.h"
#include "kernels/autograd.h"
#include "models/tiny_decoder.h"
#include "train/fixtures.h"

using namespace tongueforge;
using namespace tongueforge::test;

namespace {

// The sum that a loss tells, and the gradient of the first norm.
std::pair<double, at::Tensor> told_by(const models::Decoder& model, const train::LossSum& loss) {
  const auto& weight = *model.parameters()[1].tensor;
  weight.mutable_grad().reset();
  torch::autograd::backward({loss.sum}, {});
  return {loss.told().item<double>(), weight.grad().clone()};
}

}  // namespace

TEST_CASE("batches brought in one after the other have the losses and gradients that each has by itself") {
  for (const double z_loss : {0.0, 0.02}) {
    CAPTURE(z_loss);
    const auto model = tiny_decoder();
    for (const auto& parameter : model->parameters()) parameter.tensor->set_requires_grad(true);
    const auto loss = train::make_loss({.z_loss = z_loss}, *model);
    const auto fixed = loss->fixed(2, 12);
    REQUIRE(fixed);
    for (uint64_t seed = 1; seed < 5; seed++) {
      CAPTURE(seed);
      auto batch = seed % 2 ? packed_batch(seed) : random_batch(2, 12, seed);
      REQUIRE(fixed->fits(batch));
      fixed->bring(batch);
      const auto [sum, gradient] = told_by(*model, fixed->sum());
      const auto [expected, expected_gradient] = told_by(*model, loss->sum(batch, nullptr));
      CHECK(sum == doctest::Approx(expected).epsilon(1e-6));
      CHECK(gradient.allclose(expected_gradient, 1e-4, 1e-5));
    }
  }
}

TEST_CASE(
    "what has more documents than there is room for does not fit, nor do frequencies that follow lengths") {
  const auto model = tiny_decoder();
  const auto fixed = train::make_loss({}, *model)->fixed(2, 12);
  auto crowded = packed_batch(1);
  crowded.segments_BT = at::arange(12).expand({2, 12}).contiguous();
  CHECK(fixed->fits(packed_batch(1)));
  CHECK_FALSE(fixed->fits(crowded));
  auto spec = tiny_spec();
  spec.rope.kind = nn::RopeKind::dynamic;
  spec.rope.original_max_positions = 64;
  CHECK(train::make_loss({}, *tiny_decoder(spec))->fixed(2, 12) == nullptr);
  CHECK(train::make_loss({"preference", {"orpo", 0.5, 0, 0.3}}, *model)->fixed(2, 12) == nullptr);
}

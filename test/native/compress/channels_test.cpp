// Which channels of the residual stream stay, and what a model without the others computes.
#include "compress/channels.h"

#include <cmath>

#include "core/error.h"
#include "doctest.h"
#include "kernels/aten.h"
#include "models/adapters.h"
#include "models/tiny_decoder.h"

using namespace tongueforge;
using namespace tongueforge::test;

namespace {

const models::Rows kRows = {at::arange(10).view({2, 5}), at::zeros({2, 5}, at::kLong)};

at::Tensor logits_of(const models::Decoder& model) {
  const at::NoGradGuard no_grad;
  return model.logits(model.hidden_packed(kRows));
}

// Nothing is ever written into channels whose number is a multiple of three.
std::shared_ptr<models::Decoder> with_dead_channels() {
  auto spec = tiny_spec();
  spec.rms_norm_eps = 1e-12;
  auto model = tiny_decoder(spec);
  for (const auto& parameter : model->parameters()) {
    if (parameter.kind == models::ParameterKind::embedding) parameter.tensor->slice(1, 0, {}, 3).zero_();
    if (parameter.kind == models::ParameterKind::attention_output ||
        parameter.kind == models::ParameterKind::mlp_output)
      parameter.tensor->slice(0, 0, {}, 3).zero_();
  }
  return model;
}

}  // namespace

TEST_CASE("a model that keeps all channels keeps every bit") {
  auto model = tiny_decoder();
  const auto before = logits_of(*model);
  compress::keep_largest_channels(*model, model->spec().hidden_size);
  CHECK(logits_of(*model).equal(before));
}

// The root of a mean over fewer channels is larger by a factor that the weights of the norms take back.
TEST_CASE("channels that nothing is written into leave first, and without them a model computes the same") {
  auto model = with_dead_channels();
  const auto before = logits_of(*model);
  compress::keep_largest_channels(*model, 16);
  CHECK(model->spec().hidden_size == 16);
  for (const auto& parameter : model->parameters()) {
    CHECK(parameter.tensor->sizes() == at::IntArrayRef(parameter.shape));
    if (parameter.kind == models::ParameterKind::norm && parameter.shape[0] == 16)
      parameter.tensor->mul_(std::sqrt(24.0 / 16.0));
  }
  CHECK((logits_of(*model) - before).abs().max().item<double>() < 1e-5 * before.abs().max().item<double>());
}

// Their sizes do not say which of them matters more: each is read behind a norm, or adds to what others do.
TEST_CASE("every tensor that writes into channels counts alike, however large its numbers are") {
  auto model = tiny_decoder();
  const auto before = compress::channel_scores(*model);
  model->blocks()[0].o.linear->weight.mul_(100);
  for (const auto& parameter : model->parameters())
    if (parameter.kind == models::ParameterKind::embedding) parameter.tensor->mul_(0.01);
  CHECK(at::allclose(compress::channel_scores(*model), before, 1e-5));
  CHECK(before.mean().item<double>() == doctest::Approx(1.0 + 2.0 * model->blocks().size()));
}

TEST_CASE("more channels than there are cannot be kept") {
  auto model = tiny_decoder();
  CHECK_THROWS_AS(compress::keep_largest_channels(*model, 25), Error);
  CHECK_THROWS_AS(compress::keep_largest_channels(*model, 0), Error);
}

TEST_CASE("channels of a model under an adapter, and of numbers that are none, are not chosen") {
  auto adapted = tiny_decoder();
  models::attach_adapters(*adapted, {{"model.layers.1.mlp.up_proj", 2, 1.0}}, 0, 1);
  CHECK_THROWS_WITH_AS(
      compress::keep_largest_channels(*adapted, 16),
      "model.layers.1.mlp.up_proj: expected weights without an adapter, received some under an adapter",
      Error);
  auto broken = tiny_decoder();
  broken->parameters()[0].tensor->select(0, 3).select(0, 5).fill_(std::nan(""));
  CHECK_THROWS_AS(compress::keep_largest_channels(*broken, 16), Error);
  CHECK(broken->spec().hidden_size == 24);
}

#include "kernels/decode_layers.h"

#include "doctest.h"
#include "gpu.h"
#include "kernels/aten.h"
#include "kernels/decode_attention.h"
#include "kernels/graph.h"
#include "kernels/rms_norm.h"

using namespace tongueforge;
using kernels::DecodeLayerTensors;
using kernels::DecodeSetting;

namespace {

struct Sizes {
  int64_t batch, hidden, heads, kv_heads, head_dim, inner, capacity, layers;
};

/// A decoder of random tensors and where it stands, in float64; layers differ in heads, inner size and
/// window.
struct Step {
  at::Tensor x;
  std::vector<DecodeLayerTensors> layers;
  DecodeSetting setting;

  Step(const Sizes& s, int64_t place, bool biased, at::ScalarType rounded) {
    const auto drawn = [&](at::IntArrayRef shape, double scale) {
      return (at::randn(shape, at::kDouble) * scale).to(rounded).to(at::kDouble);
    };
    x = drawn({s.batch, 1, s.hidden}, 1);
    const auto weight = [&](int64_t out, int64_t in) {
      return kernels::ThinWeight{drawn({out, in}, 1 / std::sqrt(static_cast<double>(in))),
                                 biased ? drawn({out}, 0.3) : at::Tensor()};
    };
    for (int64_t i = 0; i < s.layers; i++) {
      const int64_t k = std::max<int64_t>(1, s.kv_heads - i % 2), n = s.heads / s.kv_heads * k,
                    f = s.inner + i % 2 * 16, h = s.head_dim;
      const auto cache = [&] { return drawn({s.batch, k, s.capacity, h}, 1); };
      layers.push_back({drawn({s.hidden}, 1), drawn({s.hidden}, 1), weight(n * h, s.hidden),
                        weight(k * h, s.hidden), weight(k * h, s.hidden), weight(s.hidden, n * h),
                        weight(f, s.hidden), weight(f, s.hidden), weight(s.hidden, f), cache(), cache(),
                        i % 3 == 2 ? 40 : 0});
    }
    const auto half = at::rand({1, 1, s.capacity, s.head_dim / 2}, at::kDouble) * 7,
               angle = at::cat({half, half}, 3);
    setting = {angle.cos().to(rounded).to(at::kDouble), angle.sin().to(rounded).to(at::kDouble),
               at::tensor({place}, at::kLong), s.head_dim, 1e-5};
  }

  Step to(at::Device device, at::ScalarType dtype) const {
    Step moved = *this;
    const auto move = [&](at::Tensor& t) {
      if (t.defined()) t = t.to(device, dtype, /*non_blocking=*/false, /*copy=*/true);
    };
    move(moved.x), move(moved.setting.cos), move(moved.setting.sin);
    moved.setting.place = setting.place.to(device);
    for (auto& l : moved.layers) {
      for (auto* t : {&l.attention_norm, &l.mlp_norm, &l.cache_k, &l.cache_v}) move(*t);
      for (auto* w : {&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down}) move(w->weight), move(w->maybe_bias);
    }
    return moved;
  }

  /// Operation by operation. Writes to the cache.
  at::Tensor one_by_one() const {
    auto y = x;
    const auto product = [](const at::Tensor& in, const kernels::ThinWeight& w) {
      return w.maybe_bias.defined() ? at::linear(in, w.weight, w.maybe_bias) : at::linear(in, w.weight);
    };
    for (const auto& l : layers) {
      const auto a = kernels::rms_norm(y, l.attention_norm, setting.eps);
      const auto heads = [&](const kernels::ThinWeight& w) {
        return product(a, w).unflatten(-1, {-1, setting.head_dim}).transpose(1, 2);
      };
      y = y + product(kernels::decode_attention(heads(l.q), heads(l.k), heads(l.v), setting.cos, setting.sin,
                                                l.cache_k, l.cache_v, setting.place, l.window),
                      l.o);
      const auto m = kernels::rms_norm(y, l.mlp_norm, setting.eps);
      y = y + product(at::silu(product(m, l.gate)) * product(m, l.up), l.down);
    }
    return y;
  }

  bool is_taken() const { return kernels::takes_decode_layers(x, layers, setting); }
  at::Tensor run() const { return kernels::decode_layers(x, layers, setting); }
};

double difference(const at::Tensor& ours, const at::Tensor& expected) {
  return (ours.to(at::kCPU, at::kDouble) - expected).norm().item<double>() / expected.norm().item<double>();
}

}  // namespace

TEST_CASE("layers in one launch are for a GPU") {
  const at::NoGradGuard no_grad;
  CHECK_FALSE(Step({1, 64, 4, 2, 16, 96, 20, 1}, 3, false, at::kFloat).is_taken());
}

TEST_CASE("cuda: layers in one launch give what float64 gives operation by operation, and write the cache") {
  const auto device = test::gpu();
  if (!device) return;
  const at::NoGradGuard no_grad;
  at::manual_seed(1);
  const std::pair<at::ScalarType, double> dtypes[] = {
      {at::kBFloat16, 2e-2}, {at::kHalf, 3e-3}, {at::kFloat, 3e-6}};
  const Sizes all[] = {{1, 256, 4, 2, 64, 512, 300, 3},     {2, 512, 8, 8, 32, 1368, 300, 2},
                       {3, 512, 10, 2, 128, 1408, 900, 2},  {4, 64, 4, 1, 16, 96, 70, 23},
                       {1, 1024, 16, 4, 64, 3008, 3000, 1}, {2, 256, 6, 3, 256, 1000, 40, 2}};
  for (const auto& sizes : all) {
    for (const auto& [dtype, tolerance] : dtypes) {
      for (const int64_t place : {int64_t{0}, sizes.capacity / 2, sizes.capacity - 1}) {
        CAPTURE(sizes.hidden);
        CAPTURE(dtype);
        CAPTURE(place);
        const Step step(sizes, place, /*biased=*/sizes.batch % 2 == 0, dtype);
        const auto there = step.to(*device, dtype), again = step.to(*device, dtype);
        const auto before = step.layers[0].cache_v.clone();
        REQUIRE(there.is_taken());
        const auto y = there.run(), expected = step.one_by_one();
        CHECK(difference(y, expected) <= tolerance * std::sqrt(static_cast<double>(sizes.layers)));
        for (const size_t layer : {size_t{0}, step.layers.size() - 1}) {
          CHECK(difference(there.layers[layer].cache_k, step.layers[layer].cache_k) <= tolerance);
          CHECK(difference(there.layers[layer].cache_v, step.layers[layer].cache_v) <= tolerance);
        }
        CHECK(at::equal(y, again.run()));
        CHECK(at::equal(there.run(), y));  // what is written is written again
        auto restored = there.layers[0].cache_v.to(at::kCPU, at::kDouble);
        restored.narrow(2, place, 1).copy_(before.narrow(2, place, 1));
        CHECK(at::equal(restored, before));
      }
    }
  }
}

TEST_CASE("cuda: layers in one launch can be recorded, and each replay reads the place anew") {
  const auto device = test::gpu();
  if (!device) return;
  const at::NoGradGuard no_grad;
  at::manual_seed(2);
  const auto step = Step({2, 256, 4, 2, 64, 512, 600, 4}, 0, true, at::kBFloat16).to(*device, at::kBFloat16);
  kernels::Graph graph(*device);
  at::Tensor y;
  const auto body = [&] { y = step.run(); };
  graph.rehearse(body);
  graph.capture(body);
  for (const int64_t place : {0, 1, 299, 599, 5}) {
    step.setting.place.fill_(place);
    graph.replay();
    const auto replayed = y.clone();
    CHECK(at::equal(replayed, step.run()));
  }
}

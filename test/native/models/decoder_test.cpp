// Laws of the decoder that need no reference: caches, packing and windows change nothing but the work.
// test/golden compares its numbers with transformers.
#include "models/decoder.h"

#include <atomic>
#include <set>

#include "doctest.h"
#include "kernels/aten.h"
#include "models/tiny_decoder.h"

using namespace tongueforge;
using test::tiny_decoder;
using test::tiny_spec;

namespace {

double distance(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }
at::Tensor random_ids(int64_t rows, int64_t time, uint64_t seed) {
  return at::randint(0, 50, {rows, time}, at::detail::createCPUGenerator(seed), at::kLong);
}

constexpr double kTolerance = 2e-5;  // float32 sums in another order, over activations of order one

// Cancelled once it has been asked `left` times.
struct StopsAfter final : Job {
  explicit StopsAfter(int questions) : left(questions) {}
  bool cancelled() const override { return left-- <= 0; }
  void progress(Value) override {}
  void emit(Value) override {}
  mutable std::atomic<int> left;
};

}  // namespace

TEST_CASE("a cancelled job leaves the forward pass at its next layer") {
  const at::NoGradGuard no_grad;
  const auto model = tiny_decoder();
  const auto ids = random_ids(1, 8, 1);
  const StopsAfter one(1), enough(2);  // questions for two layers
  CHECK_THROWS_AS(model->hidden(ids, nullptr, &one), Cancelled);
  CHECK_NOTHROW(model->hidden(ids, nullptr, &enough));
  const StopsAfter none(0);
  CHECK_THROWS_AS(model->hidden_packed({ids, at::zeros_like(ids)}, &none), Cancelled);
}

TEST_CASE("reading in pieces through the cache gives what reading at once gives") {
  const at::NoGradGuard no_grad;
  for (const int64_t window : {0, 5}) {
    const auto model = tiny_decoder(tiny_spec(window));
    const auto ids = random_ids(2, 17, 1);
    const auto whole = model->hidden(ids);
    for (const int64_t piece : {1, 3, 16}) {
      CAPTURE(window);
      CAPTURE(piece);
      auto cache = model->make_cache(2, piece);  // too small: it has to grow on the way
      for (int64_t at = 0; at < 17; at += piece) {
        const int64_t end = std::min<int64_t>(at + piece, 17);
        const auto part = model->hidden(ids.slice(1, at, end), &cache);
        CHECK(distance(part, whole.slice(1, at, end)) < kTolerance);
      }
      CHECK(cache.length == 17);
    }
  }
}

TEST_CASE("documents packed into a row are read as if each stood alone") {
  const at::NoGradGuard no_grad;
  for (const int64_t window : {0, 4}) {
    CAPTURE(window);
    const auto model = tiny_decoder(tiny_spec(window));
    const auto first = random_ids(1, 6, 2), second = random_ids(1, 9, 3);
    const auto packed = at::cat({first, second, at::zeros({1, 3}, at::kLong)}, 1);
    const auto segments =
        at::tensor({0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1}, at::kLong).unsqueeze(0);
    const auto hidden = model->hidden_packed({packed, segments});
    CHECK(distance(hidden.slice(1, 0, 6), model->hidden(first)) < kTolerance);
    CHECK(distance(hidden.slice(1, 6, 15), model->hidden(second)) < kTolerance);
    CHECK(hidden.isfinite().all().item<bool>());
  }
}

TEST_CASE("positions restart at each document of a row: a rope that stretches with length sees their own") {
  const at::NoGradGuard no_grad;
  auto spec = tiny_spec();
  spec.rope.kind = nn::RopeKind::dynamic;
  spec.rope.factor = 4;
  spec.rope.original_max_positions = 10;  // longer than either document, shorter than the row
  const auto model = tiny_decoder(spec);
  const auto first = random_ids(1, 6, 2), second = random_ids(1, 9, 3);
  const auto segments = at::tensor({0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1}, at::kLong).unsqueeze(0);
  const auto hidden = model->hidden_packed({at::cat({first, second}, 1), segments});
  CHECK(distance(hidden.slice(1, 0, 6), model->hidden(first)) < kTolerance);
  CHECK(distance(hidden.slice(1, 6, 15), model->hidden(second)) < kTolerance);
}

TEST_CASE("a token changes nothing before it, and nothing beyond its window in one layer") {
  const at::NoGradGuard no_grad;
  auto spec = tiny_spec(4);
  spec.layers.resize(1);
  const auto model = tiny_decoder(spec);
  const auto ids = random_ids(1, 16, 4);
  auto changed = ids.clone();
  changed[0][6] = (ids[0][6] + 1).remainder(50);
  const auto moved = (model->hidden(ids) - model->hidden(changed)).abs().amax({0, 2});
  for (int64_t t = 0; t < 16; t++) {
    CAPTURE(t);
    const bool sees = t >= 6 && t < 6 + 4;  // window w: itself and the w - 1 before it
    CHECK((moved[t].item<float>() > 0) == sees);
  }
}

TEST_CASE("every parameter has its name once and the shape that the spec says") {
  const auto model = tiny_decoder();
  std::set<std::string> names;
  for (const auto& parameter : model->parameters()) {
    CHECK(names.insert(parameter.name).second);
    CHECK(parameter.tensor->sizes().vec() == parameter.shape);
  }
  // embedding, head, final norm; a layer: 2 norms, q k v with bias, 2 q/k norms, o, 3 of the mlp
  CHECK(names.size() == 3 + 2 * (2 + 6 + 2 + 1 + 3));
}

TEST_CASE("random weights are a function of the seed, and related rows correlate as asked") {
  models::InitOptions init;
  init.seed = 3;
  init.embedding_std = 1.0;
  auto spec = tiny_spec();
  spec.hidden_size = 4096;
  spec.layers.clear();
  init.related_rows = {{10, 20}};
  init.correlation = 0.9;
  const auto make = [&] {
    auto model = std::make_shared<models::Decoder>(spec);
    models::initialise(*model, init);
    return model;
  };
  const auto a = make(), b = make();
  const auto table = [](const std::shared_ptr<models::Decoder>& model) {
    return *model->parameters()[0].tensor;
  };
  CHECK(table(a).equal(table(b)));
  const auto x = table(a)[10], y = table(a)[20];
  const double correlation = (x * y).sum().item<double>() / (x.norm() * y.norm()).item<double>();
  CHECK(correlation == doctest::Approx(0.9).epsilon(0.01));
  CHECK(x.norm().item<double>() / 64 == doctest::Approx(1).epsilon(0.05));  // its own size is kept
}

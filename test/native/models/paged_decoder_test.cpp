#include "core/random.h"
#include "doctest.h"
#include "kernels/aten.h"
#include "models/tiny_decoder.h"

using namespace tongueforge;

namespace {

constexpr int64_t S = kernels::kPageSize;

/// One sequence in a pool of its own, its pages in reverse.
struct Paged {
  const models::Decoder& model;
  nn::Rotation table;
  models::DecoderCache pool;

  explicit Paged(const models::Decoder& model)
      : model(model), table(model.make_places(128)->table), pool(model.make_pool(4)) {}

  at::Tensor run(const at::Tensor& ids_T, int64_t first) {
    auto rows = std::make_shared<kernels::PagedRows>();
    rows->pages = {3, 2, 1, 0};
    for (int64_t t = 0; t < ids_T.size(0); t++) rows->rows.push_back({0, first + t});
    return model.paged_hidden(ids_T.unsqueeze(1), rows, table, pool).squeeze(1);
  }
};

at::Tensor random_ids(int64_t count) { return at::randint(50, {count}, at::kLong); }

}  // namespace

TEST_CASE("a decoder over pages gives what it gives over a cache, to rounding") {
  const at::NoGradGuard no_grad;
  at::manual_seed(1);
  for (const int64_t window : {0, 20}) {
    CAPTURE(window);
    const auto model = test::tiny_decoder(test::tiny_spec(window));
    const auto ids = random_ids(100);
    Paged paged(*model);
    const auto hidden = paged.run(ids, 0), expected = model->hidden(ids.unsqueeze(0)).squeeze(0);
    CHECK((hidden - expected).abs().max().item<double>() <= 2e-5 * expected.abs().max().item<double>());
  }
}

TEST_CASE("cut anywhere, a sequence over pages gives the same bits") {
  const at::NoGradGuard no_grad;
  for (uint64_t seed = 1; seed <= 8; seed++) {
    CAPTURE(seed);
    at::manual_seed(seed);
    Random random(seed);
    const auto model = test::tiny_decoder();
    const auto ids = random_ids(90);
    Paged whole(*model), cut(*model);
    const auto expected = whole.run(ids, 0);
    for (int64_t first = 0; first < 90;) {
      const int64_t count = std::min<int64_t>(90 - first, 1 + static_cast<int64_t>(random.next() % 40));
      CHECK(at::equal(cut.run(ids.narrow(0, first, count), first), expected.narrow(0, first, count)));
      first += count;
    }
  }
}

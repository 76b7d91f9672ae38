// Pruning within rows, against sorting each row.
#include "compress/wanda.h"

#include "compress/input_statistics.h"
#include "compress/matrices.h"

using namespace tongueforge;
using namespace tongueforge::compress;

namespace {

// As the authors write it: a stable sort of the scores of each row, or of each group of M.
at::Tensor reference(const at::Tensor& weight, const at::Tensor& norms, const Amount& amount) {
  const auto score = weight.abs() * norms;
  const int64_t width = amount.has_pattern() ? amount.pattern.of : weight.size(1);
  const int64_t count = amount.has_pattern() ? amount.pattern.of - amount.pattern.kept
                                             : whole_count(amount.sparsity, weight.size(1));
  const auto order =
      std::get<1>(score.reshape({-1, width}).sort(/*stable=*/true, /*dim=*/1, /*descending=*/false));
  const auto chosen =
      at::zeros({order.size(0), width}, at::kBool).scatter_(1, order.slice(1, 0, count), true);
  return weight.masked_fill(chosen.view(weight.sizes()), 0);
}

at::Tensor pruned(const at::Tensor& weight, const at::Tensor& norms, const Amount& amount) {
  const auto of = weight.clone();
  prune_rows(of, norms, amount);
  return of;
}

}  // namespace

TEST_CASE("each row loses the whole part of its share by |W| ||X||, ties in order") {
  const uint64_t seed = 21;
  CAPTURE(seed);
  for (const int64_t columns : {1, 5, 64, 777}) {
    const auto weight = (random_matrix({23, columns}, seed) * 4).round() / 4;  // ties, zeros
    // Equal norms: scores tie where weights do.
    for (const auto& norms : {related_inputs(50, columns, seed).norm(2, 0), at::ones({columns})})
      for (const double sparsity : {0.0, 0.29, 0.5, 0.9}) {
        CAPTURE(columns);
        CAPTURE(sparsity);
        const auto of = weight.clone();
        CHECK(prune_rows(of, norms, {sparsity}) == 23 * whole_count(sparsity, columns));
        CHECK(of.equal(reference(weight, norms, {sparsity})));
      }
  }
  const auto dense = random_matrix({40, 100}, seed);
  CHECK(pruned(dense, {}, {0.29}).eq(0).sum(1).eq(28).all().item<bool>());
}

TEST_CASE("N of every M consecutive inputs are kept, those of the highest scores") {
  const uint64_t seed = 22;
  CAPTURE(seed);
  const auto weight = random_matrix({19, 96}, seed).mul(4).round().div(4).add(0.0625);  // ties, no zeros
  for (const auto& pattern : std::vector<Pattern>{{2, 4}, {1, 4}, {3, 4}, {4, 8}, {1, 2}, {5, 32}}) {
    CAPTURE(pattern.kept);
    CAPTURE(pattern.of);
    at::Tensor of;
    for (const auto& norms : {related_inputs(50, 96, seed).norm(2, 0), at::ones({96})}) {
      of = pruned(weight, norms, {0, pattern});
      CHECK(of.equal(reference(weight, norms, {0, pattern})));
    }
    CHECK(of.ne(0).view({-1, pattern.of}).sum(1).eq(pattern.kept).all().item<bool>());
  }
}

TEST_CASE("with equal norms Wanda is magnitude within rows") {
  const auto weight = random_matrix({30, 90}, 23);
  for (const Amount& amount : {Amount{0.6}, Amount{0, {1, 3}}})
    CHECK(pruned(weight, at::full({90}, 4.0), amount).equal(pruned(weight, {}, amount)));
}

TEST_CASE("inputs and rows in another order give the same weights in that order") {
  const uint64_t seed = 24;
  CAPTURE(seed);
  const auto weight = random_matrix({31, 75}, seed), norms = related_inputs(40, 75, seed).norm(2, 0);
  const auto columns = at::randperm(75, at::detail::createCPUGenerator(seed), at::kLong);
  const auto rows = at::randperm(31, at::detail::createCPUGenerator(seed + 1), at::kLong);
  const auto moved = [&](const at::Tensor& x) { return x.index_select(0, rows).index_select(1, columns); };
  CHECK(pruned(moved(weight), norms.index_select(0, columns), {0.45})
            .equal(moved(pruned(weight, norms, {0.45}))));
}

TEST_CASE("rows keep their zeros and lose more; once more changes nothing; threads do not count") {
  const auto weight = random_matrix({300, 400}, 25), norms = related_inputs(60, 400, 25).norm(2, 0);
  const auto half = pruned(weight, norms, {0.5}), more = pruned(half, norms, {0.7});
  CHECK(more.equal(pruned(weight, norms, {0.7})));
  CHECK(more.eq(0).logical_and(half.eq(0)).equal(half.eq(0)));
  CHECK(pruned(half, norms, {0.5}).equal(half));
  CHECK(pruned(weight, norms, {0}).equal(weight));
  const auto with = [&](int threads) {
    return with_threads(threads, [&] { return pruned(weight, norms, {0.5}); });
  };
  CHECK(with(1).equal(with(2)));
  CHECK(with(1).equal(with(5)));
}

TEST_CASE("norms and products of inputs are those of all places, in whatever parts they come") {
  const uint64_t seed = 26;
  CAPTURE(seed);
  for (const int64_t inputs : {3, 64, 700}) {
    const auto x = related_inputs(130, inputs, seed);
    InputNorms norms(inputs);
    InputGram gram(inputs);
    for (const auto& part : x.split({1, 29, 100})) {
      norms.add(part);
      gram.add(part);
    }
    CHECK(norms.norms().allclose(x.norm(2, 0), 1e-6, 0));
    const auto h = gram.take(), exact = x.to(at::kDouble).t().mm(x.to(at::kDouble));
    CHECK(h.equal(h.t()));
    CHECK((h - exact).abs().max().item<double>() < 1e-6 * exact.abs().max().item<double>());
    const auto threads = [&](int count) {
      return with_threads(count, [&] {
        InputNorms of(inputs);
        of.add(x);
        return of.norms();
      });
    };
    CHECK(threads(1).equal(threads(3)));
  }
}

// The laws of SparseGPT; test/parity/compress_weights.test.mjs compares with the algorithm written plainly.
#include "compress/sparsegpt.h"

#include "compress/input_statistics.h"
#include "compress/matrices.h"
#include "core/error.h"

using namespace tongueforge;
using namespace tongueforge::compress;

namespace {

at::Tensor gram_of(const at::Tensor& x_PC) {
  InputGram gram(x_PC.size(1));
  gram.add(x_PC);
  return gram.take();
}

InverseFactor factor_of(const at::Tensor& gram_CC, double damping = 0.01) {
  return inverse_factor(gram_CC, damping, "a layer", SilentJob());
}

struct Pruned {
  at::Tensor weight;
  double loss;
};

Pruned pruned(const at::Tensor& weight, const InverseFactor& factor, const Amount& amount,
              int64_t block = 128) {
  const auto of = weight.clone();
  const double loss = prune_sparsegpt(of, factor, amount, block, SilentJob());
  return {of, loss};
}

at::Tensor masked_like(const at::Tensor& weight, const at::Tensor& pruned) {
  return weight.masked_fill(pruned.eq(0), 0);
}

// The best that any choice of the other weights of each row could reach: rows are independent.
double least_squares_error(const at::Tensor& weight, const at::Tensor& gram, const at::Tensor& kept) {
  const auto w = weight.to(at::kDouble), h = gram.to(at::kDouble);
  double sum = 0;
  for (int64_t row = 0; row < w.size(0); row++) {
    const auto places = kept[row].nonzero().squeeze(1);
    const auto of_kept = h.index_select(0, places).index_select(1, places);
    const auto best = at::linalg_solve(of_kept, h.index_select(0, places).mv(w[row]));
    sum += squared_error(w[row].index_copy(0, places, w[row].index_select(0, places) - best).unsqueeze(0), h);
  }
  return sum;
}

}  // namespace

TEST_CASE("U^T U is the inverse of H and damping, for sizes around those of its blocks") {
  const uint64_t seed = 31;
  CAPTURE(seed);
  for (const int64_t size : {1, 2, 100, 128, 129, 257, 600}) {
    CAPTURE(size);
    const auto h = gram_of(related_inputs(4 * size, size, seed));
    const auto factor = factor_of(h);
    const auto u = factor.u_CC.to(at::kDouble);
    CHECK(factor.u_CC.equal(factor.u_CC.triu()));
    CHECK(factor.retries == 0);
    CHECK(factor.damping == 0.01);
    auto damped = h.to(at::kDouble);
    damped.diagonal().add_(factor.added);
    CHECK(factor.added == doctest::Approx(0.01 * h.diagonal().mean().item<double>()));
    const auto identity = u.mm(damped).mm(u.t());
    CHECK((identity - at::eye(size, at::kDouble)).abs().max().item<double>() < 2e-3);
  }
}

TEST_CASE("damping grows tenfold until there is an inverse, and the factor says so; NaN has none") {
  auto h = gram_of(random_matrix({40, 20}, 32));
  h.diagonal().sub_(0.5 * h.diagonal().mean());  // indefinite, as no products of inputs can be
  const auto factor = factor_of(h, 0.01);
  CHECK(factor.retries > 0);
  CHECK(factor.damping == doctest::Approx(0.01 * std::pow(10, factor.retries)));
  h.diagonal().fill_(-1);
  try {
    factor_of(h);
    FAIL("expected an error");
  } catch (const Error& error) {
    CHECK(error.code() == "ERR_CALIBRATION");
    CHECK(error.message() ==
          "Expected inputs of a layer whose products can be inverted, received ones that cannot, even with "
          "damping 1000");
    CHECK(error.hint() == "More calibration rows, or of more kinds; criterion: wanda needs no inverse.");
  }
  h[2][3] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH_AS(factor_of(h), "Expected finite inputs of a layer on the calibration rows", Error);
}

TEST_CASE("each block loses the whole part of its share; the last may be narrower") {
  const uint64_t seed = 33;
  CAPTURE(seed);
  const auto weight = random_matrix({23, 300}, seed);
  const auto factor = factor_of(gram_of(related_inputs(500, 300, seed)));
  for (const double sparsity : {0.29, 0.5, 0.9})
    for (const int64_t block : {32, 128, 300, 512}) {
      CAPTURE(sparsity);
      CAPTURE(block);
      const auto zeros = pruned(weight, factor, {sparsity}, block).weight.eq(0);
      for (int64_t begin = 0; begin < 300; begin += block) {
        const auto of = zeros.slice(1, begin, std::min<int64_t>(begin + block, 300));
        CHECK(of.sum().item<int64_t>() == whole_count(sparsity, of.numel()));
      }
    }
}

TEST_CASE("N of every M consecutive inputs are kept") {
  const auto weight = random_matrix({23, 288}, 34);
  const auto factor = factor_of(gram_of(related_inputs(500, 288, 34)));
  for (const auto& pattern : std::vector<Pattern>{{2, 4}, {1, 4}, {4, 8}, {1, 2}, {5, 32}}) {
    const auto of = pruned(weight, factor, {0, pattern}).weight;
    CHECK(of.ne(0).view({-1, pattern.of}).sum(1).eq(pattern.kept).all().item<bool>());
  }
  CHECK_THROWS_WITH_AS(pruned(weight, factor, {0, {1, 3}}),
                       "block: expected whole groups of 3 columns, received 128", Error);
}

TEST_CASE("a sparsity of 0 changes no byte, and pruning twice is pruning once") {
  const auto weight = random_matrix({23, 300}, 35);
  const auto factor = factor_of(gram_of(related_inputs(500, 300, 35)));
  const auto same = pruned(weight, factor, {0});
  CHECK(same.weight.equal(weight));
  CHECK(same.loss == 0);
  for (const Amount& amount : {Amount{0.5}, Amount{0, {2, 4}}}) {
    const auto once = pruned(weight, factor, amount).weight;
    CHECK(pruned(once, factor, amount).weight.equal(once));
  }
}

TEST_CASE("where inputs have nothing in common it is magnitude by block, and nothing else moves") {
  const uint64_t seed = 36;
  CAPTURE(seed);
  const auto weight = random_matrix({40, 300}, seed);
  for (const double scale : {1.0, 3e5, 1e-6}) {
    const auto factor = factor_of(at::eye(300, at::kFloat) * scale);
    const auto of = pruned(weight, factor, {0.5}).weight;
    CHECK(of.equal(masked_like(weight, of)));
    for (int64_t begin = 0; begin < 300; begin += 128) {
      const auto before = weight.slice(1, begin, std::min<int64_t>(begin + 128, 300)).abs();
      const auto gone = of.slice(1, begin, std::min<int64_t>(begin + 128, 300)).eq(0);
      CHECK(before.masked_select(gone).max().item<float>() <
            before.masked_select(gone.logical_not()).min().item<float>());
    }
  }
}

TEST_CASE("the scale of the inputs does not matter, nor the order of the rows of W") {
  const uint64_t seed = 37;
  CAPTURE(seed);
  const auto weight = random_matrix({40, 200}, seed), h = gram_of(related_inputs(400, 200, seed));
  const auto of = pruned(weight, factor_of(h), {0.5}).weight;
  CHECK(pruned(weight, factor_of(h * 1024), {0.5}).weight.allclose(of, 1e-4, 1e-5));
  const auto rows = at::randperm(40, at::detail::createCPUGenerator(seed), at::kLong);
  CHECK(pruned(weight.index_select(0, rows), factor_of(h), {0.5}).weight.equal(of.index_select(0, rows)));
}

TEST_CASE(
    "the loss is the error on the inputs and what damping adds, and compensation makes the error smaller") {
  const uint64_t seed = 38;
  CAPTURE(seed);
  Random random(seed);
  for (const auto& [rows, columns] : std::vector<std::pair<int64_t, int64_t>>{{16, 16}, {64, 96}, {30, 400}})
    for (const Amount& amount : {Amount{0.3}, Amount{0.5}, Amount{0.8}, Amount{0, {2, 4}}}) {
      CAPTURE(columns);
      CAPTURE(amount.sparsity);
      const auto weight = random_matrix({rows, columns}, random.next());
      const auto h = gram_of(related_inputs(3 * columns, columns, random.next()));
      const auto factor = factor_of(h);
      const auto of = pruned(weight, factor, amount);
      const double error = squared_error(weight - of.weight, h);
      const double by_damping = factor.added * (weight - of.weight).square().sum(at::kDouble).item<double>();
      CHECK(of.loss == doctest::Approx(error + by_damping).epsilon(1e-3));
      CHECK(error < squared_error(weight - masked_like(weight, of.weight), h));
      CHECK(error > least_squares_error(weight, h, of.weight.ne(0)) * (1 - 1e-3));
    }
}

TEST_CASE("on 16 x 16, the last column's weights cost what least squares over all says, when only it goes") {
  const uint64_t seed = 39;
  CAPTURE(seed);
  // With a pattern that drops the first of each row's 16 inputs alone, all others can make up for it: then
  // the column by column solution is the least squares solution.
  const auto h = gram_of(related_inputs(64, 16, seed));
  auto weight = random_matrix({16, 16}, seed);
  weight.select(1, 0).mul_(1e-3);
  const auto factor = factor_of(h, 1e-7);
  const auto of = pruned(weight, factor, {1.0 / 16});
  CHECK(of.weight.select(1, 0).eq(0).all().item<bool>());
  CHECK(squared_error(weight - of.weight, h) ==
        doctest::Approx(least_squares_error(weight, h, of.weight.ne(0))).epsilon(1e-3));
}

TEST_CASE("inputs that are always 0 go first, and their columns touch no other") {
  const uint64_t seed = 40;
  CAPTURE(seed);
  auto x = related_inputs(400, 160, seed);
  const std::vector<int64_t> dead = {0, 77, 159};
  for (const int64_t column : dead) x.select(1, column).zero_();
  const auto weight = random_matrix({20, 160}, seed);
  const auto factor = factor_of(gram_of(x));
  CHECK(factor.dead_C.sum().item<int64_t>() == 3);
  const auto of = pruned(weight, factor, {0.2}).weight;
  for (const int64_t column : dead) CHECK(of.select(1, column).eq(0).all().item<bool>());
  CHECK(of.isfinite().all().item<bool>());
  auto without = weight.clone();
  for (const int64_t column : dead) without.select(1, column).zero_();
  CHECK(pruned(without, factor, {0.2}).weight.equal(of));
  const auto silent = factor_of(at::zeros({8, 8}));
  CHECK(pruned(random_matrix({4, 8}, seed), silent, {0.5}).weight.eq(0).sum().item<int64_t>() == 16);
}

TEST_CASE("the same bytes again") {
  const auto x = related_inputs(700, 640, 41), weight = random_matrix({96, 640}, 41);
  const auto run = [&] { return pruned(weight, factor_of(gram_of(x)), {0.5}).weight; };
  CHECK(run().equal(run()));
}

// Pruning by magnitude, against sorting. kernels/magnitude_mask_test.cpp has more on what is masked.
#include "compress/magnitude.h"

#include "compress/amount.h"
#include "compress/matrices.h"
#include "core/error.h"

using namespace tongueforge;
using namespace tongueforge::compress;
using kernels::MaskScope;

namespace {

std::vector<at::Tensor> clones(const std::vector<at::Tensor>& pool) {
  std::vector<at::Tensor> all;
  for (const auto& tensor : pool) all.push_back(tensor.clone());
  return all;
}

at::Tensor flat(const std::vector<at::Tensor>& pool) {
  std::vector<at::Tensor> all;
  for (const auto& tensor : pool) all.push_back(tensor.flatten().to(at::kFloat));
  return at::cat(all);
}

}  // namespace

TEST_CASE("the whole part of a share is cut in double, as in Python") {
  CHECK(whole_count(0.29, 100) == 28);  // 28.999999999999996
  CHECK(whole_count(0.7, 10) == 7);
  CHECK(whole_count(0.99, 3) == 2);
}

TEST_CASE("a pool loses its smallest weights, whatever tensors they are in") {
  const uint64_t seed = 12;
  CAPTURE(seed);
  const std::vector<at::Tensor> pool = {random_matrix({30, 41}, seed), random_matrix({7}, seed + 1) * 0.1,
                                        random_matrix({5, 3000}, seed + 2) * 3};
  const auto weights = flat(pool);
  const auto order = std::get<1>(weights.abs().sort(/*stable=*/true, /*dim=*/0, /*descending=*/false));
  for (const double sparsity : {0.1, 0.5, 0.777, 0.999}) {
    const auto pruned = clones(pool);
    const int64_t count = prune_magnitude(pruned, MaskScope::global, sparsity);
    CHECK(count == kernels::share_of(sparsity, weights.numel()));
    CHECK(zeros_of(flat(pruned)) == count);
    CHECK(flat(pruned).equal(weights.index_fill(0, order.narrow(0, 0, count), 0)));
  }
}

TEST_CASE("masks of growing sparsity are nested, and pruning twice is pruning once") {
  const uint64_t seed = 13;
  CAPTURE(seed);
  const std::vector<at::Tensor> once = {random_matrix({64, 48}, seed), random_matrix({48, 64}, seed + 1)};
  const auto step_by_step = clones(once);
  at::Tensor before = at::zeros({64 * 48 * 2}, at::kBool);
  for (const double sparsity : {0.2, 0.5, 0.55, 0.9}) {
    prune_magnitude(step_by_step, MaskScope::global, sparsity);
    const auto zeros = flat(step_by_step).eq(0);
    CHECK(zeros.logical_and(before).equal(before));
    before = zeros;
    const auto again = clones(step_by_step);
    prune_magnitude(again, MaskScope::global, sparsity);
    CHECK(flat(again).equal(flat(step_by_step)));
  }
  prune_magnitude(once, MaskScope::global, 0.9);
  CHECK(flat(once).equal(flat(step_by_step)));
}

TEST_CASE("a sparsity of 0 changes no byte, and the number of threads none of the result") {
  auto weight = random_matrix({1500, 700}, 14);
  weight[3][5] = -0.0f;
  const auto bytes = [](const at::Tensor& x) { return x.view(at::kInt); };
  const auto same = weight.clone();
  CHECK(prune_magnitude({same}, MaskScope::global, 0) == 0);
  CHECK(bytes(same).equal(bytes(weight)));
  const auto rounded = (weight * 8).round() / 8;  // ties
  const auto pruned = [&](int threads) {
    return with_threads(threads, [&] {
      const auto of = rounded.clone();
      prune_magnitude({of}, MaskScope::global, 0.4);
      return of;
    });
  };
  CHECK(bytes(pruned(1)).equal(bytes(pruned(2))));
  CHECK(bytes(pruned(1)).equal(bytes(pruned(5))));
}

TEST_CASE("bfloat16 weights are pruned as the numbers that they are, and the others keep their bits") {
  const auto weight = random_matrix({90, 70}, 15).to(at::kBFloat16);
  const auto pruned = weight.clone(), as_float = weight.to(at::kFloat);
  CHECK(prune_magnitude({pruned}, MaskScope::global, 0.5) == 3150);
  prune_magnitude({as_float}, MaskScope::global, 0.5);
  CHECK(pruned.to(at::kFloat).equal(as_float));
}

TEST_CASE("shares and patterns that cannot be are refused by name") {
  const auto complaint = [](const Amount& amount, int64_t inputs) -> std::string {
    try {
      check_amount(amount, "model.layers.0.mlp.down_proj", inputs);
    } catch (const Error& error) { return error.code() + " " + error.message() + " / " + error.hint(); }
    return "";
  };
  CHECK(complaint({0.999}, 8).empty());
  CHECK(complaint({0, {2, 4}}, 8).empty());
  CHECK(
      complaint({1}, 8) ==
      "ERR_CONFIG sparsity: expected a share from 0 up to below 1, received 1 / 0.5 sets half of the weights "
      "to zero.");
  CHECK(complaint({-0.1}, 8) != "");
  CHECK(
      complaint({0, {4, 4}}, 8) ==
      "ERR_CONFIG pattern: expected N:M with 0 < N < M <= 64, N weights kept of every M, received 4:4 / 2:4 "
      "keeps two of every four consecutive inputs.");
  CHECK(complaint({0, {0, 4}}, 8) != "");
  CHECK(complaint({0, {2, 65}}, 65) != "");
  CHECK(complaint({0, {2, 4}}, 10) ==
        "ERR_CONFIG pattern 2:4: expected the inputs of model.layers.0.mlp.down_proj to be groups of 4, "
        "received "
        "10 inputs / Exclude this matrix, or take an M that divides its inputs.");
}

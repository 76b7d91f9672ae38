// Laws of removing heads: what is left answers as if the context of the others were zero.
#include "compress/heads.h"

#include "compress/pruning_models.h"
#include "core/error.h"
#include "doctest.h"

using namespace tongueforge;
using namespace tongueforge::test;
using compress::HeadCriterion;
using compress::HeadUnit;
using compress::prune_heads;

namespace {

constexpr int64_t kHeadDim = 8;  // of tiny_spec
constexpr HeadCriterion kCriteria[] = {HeadCriterion::l1, HeadCriterion::data, HeadCriterion::taylor};

int64_t units_of(const PruningCase& c, HeadUnit unit) {
  return unit == HeadUnit::group ? c.num_kv_heads : c.num_heads / c.num_kv_heads;
}

// Zero context of a head is a zero in all columns of o that it is multiplied with.
void mask_heads(models::Model& model, const compress::KeptUnits& kept) {
  const auto blocks = model.blocks();
  for (size_t layer = 0; layer < blocks.size(); layer++)
    for (int64_t head = 0; head < blocks[layer].sizes.num_heads; head++)
      if (std::ranges::find(kept[layer], head) == kept[layer].end())
        blocks[layer].o.linear->weight.narrow(1, head * kHeadDim, kHeadDim).zero_();
}

}  // namespace

TEST_CASE("without some heads a model answers as if their context were zero") {
  SilentJob job;
  for (const auto& c : kPruningCases)
    for (const auto unit : {HeadUnit::group, HeadUnit::query})
      for (const auto criterion : kCriteria)
        for (uint64_t seed = 1; seed <= 3; seed++) {
          const int64_t units = units_of(c, unit);
          if (units < 2) continue;
          CAPTURE(c.name);
          CAPTURE(seed);
          const auto model = pruning_decoder(c, seed);
          const auto masked = deep_copy(*model);
          const auto rows = calibration_rows(*model, seed);
          const auto pruned =
              prune_heads(*model, {criterion, unit, {.keep = {units - 1, units, 1}}}, rows, job);
          mask_heads(*masked, pruned.kept);
          CHECK(distance(answer(*model), answer(*masked)) < 1e-5);
          check_shapes(*model);
        }
}

TEST_CASE("every key head still serves equally many query heads, and they keep their order") {
  SilentJob job;
  for (const auto& c : kPruningCases)
    for (const auto unit : {HeadUnit::group, HeadUnit::query}) {
      CAPTURE(c.name);
      const int64_t units = units_of(c, unit);
      const auto model = pruning_decoder(c, 5);
      const auto rows = calibration_rows(*model, 5);
      const auto pruned =
          prune_heads(*model, {HeadCriterion::data, unit, {.remove = 2 * (units - 1)}}, rows, job);
      int64_t gone = 0;
      for (size_t layer = 0; layer < 3; layer++) {
        const auto sizes = model->blocks()[layer].sizes;
        REQUIRE(sizes.num_kv_heads >= 1);
        CHECK(sizes.num_heads % sizes.num_kv_heads == 0);
        CHECK(std::ranges::is_sorted(pruned.kept[layer]));
        CHECK(static_cast<int64_t>(pruned.kept[layer].size()) == sizes.num_heads);
        CHECK(static_cast<int64_t>(pruned.kept_kv[layer].size()) == sizes.num_kv_heads);
        gone += c.num_heads - sizes.num_heads;
        const int64_t shared = c.num_heads / c.num_kv_heads, left = sizes.num_heads / sizes.num_kv_heads;
        for (size_t i = 0; i < pruned.kept[layer].size(); i++)  // each of its own key head
          CHECK(pruned.kept[layer][i] / shared == pruned.kept_kv[layer][i / static_cast<size_t>(left)]);
      }
      CHECK(gone == 2 * (units - 1) * c.num_heads / units);
    }
}

TEST_CASE("named heads leave as chosen ones do, and none that would leave a key head fewer") {
  for (const auto& c : kPruningCases)
    for (uint64_t seed = 1; seed <= 3; seed++) {
      CAPTURE(c.name);
      CAPTURE(seed);
      const int64_t shared = c.num_heads / c.num_kv_heads;
      compress::KeptUnits kept(3), kept_kv(3);
      for (int64_t head = 0; head < c.num_heads; head++) {
        kept[0].push_back(head);                                           // all
        if (head / shared == 1 % c.num_kv_heads) kept[1].push_back(head);  // those of one key head
        if (head % shared == shared - 1) kept[2].push_back(head);          // the last of each
      }
      kept_kv[1] = {1 % c.num_kv_heads};
      for (int64_t group = 0; group < c.num_kv_heads; group++) {
        kept_kv[0].push_back(group);
        kept_kv[2].push_back(group);
      }
      const auto model = pruning_decoder(c, seed), masked = deep_copy(*model);
      const auto left = compress::keep_heads(*model, kept);
      mask_heads(*masked, kept);
      CHECK(left.kept == kept);
      CHECK(left.kept_kv == kept_kv);
      CHECK(left.scores.empty());
      CHECK(distance(answer(*model), answer(*masked)) < 1e-5);
      check_shapes(*model);
    }
}

TEST_CASE("heads that cannot be named are refused before anything has changed") {
  const auto refused = [](compress::KeptUnits kept, const std::string& message) {
    const auto model = pruning_decoder(kPruningCases[1], 1);  // six heads, three key heads
    const auto before = *model;
    try {
      compress::keep_heads(*model, kept);
      FAIL("nothing was thrown");
    } catch (const Error& error) {
      CHECK(error.code() == "ERR_CONFIG");
      CHECK(error.message() == message);
    }
    const auto a = before.parameters(), b = model->parameters();
    for (size_t i = 0; i < a.size(); i++) CHECK(a[i].tensor->is_same(*b[i].tensor));
  };
  const std::vector<int64_t> all = {0, 1, 2, 3, 4, 5};
  refused({all, all}, "Expected the heads of 3 layers, received those of 2");
  refused({{0, 1}, all, {}}, "Expected at least one head of layer 2, ascending from 0 to 5, received []");
  refused({{0, 1}, {4, 6}, all},
          "Expected at least one head of layer 1, ascending from 0 to 5, received [4, 6]");
  refused({{0, 1}, {2, 2}, all},
          "Expected at least one head of layer 1, ascending from 0 to 5, received [2, 2]");
  for (const std::vector<int64_t>& uneven : {std::vector<int64_t>{0, 1, 2}, {0, 2, 3}, {0, 1, 2, 3, 4}})
    refused({{0, 2}, uneven, all},
            tongueforge::str(
                "Expected equally many query heads of layer 1 for each key head that is left, received ",
                at::IntArrayRef(uneven)));
}

TEST_CASE("removing no head leaves every tensor the very same") {
  SilentJob job;
  for (const auto criterion : kCriteria) {
    const auto model = pruning_decoder(kPruningCases[1], 2);
    const auto before = *model;
    prune_heads(*model, {criterion, HeadUnit::group, {.remove = 0}}, calibration_rows(*model, 2), job);
    const auto a = before.parameters(), b = model->parameters();
    for (size_t i = 0; i < a.size(); i++) CHECK(a[i].tensor->is_same(*b[i].tensor));
  }
}

TEST_CASE("by magnitude, twice is once: in two steps go the heads that go in one") {
  SilentJob job;
  for (uint64_t seed = 1; seed <= 5; seed++) {
    CAPTURE(seed);
    const auto once = pruning_decoder(kPruningCases[1], seed), twice = deep_copy(*once);
    const auto prune = [&](models::Model& model, int64_t remove) {
      prune_heads(model, {HeadCriterion::l1, HeadUnit::group, {.remove = remove}}, {}, job);
    };
    prune(*once, 4);
    prune(*twice, 3);
    prune(*twice, 1);
    const auto a = once->parameters(), b = twice->parameters();
    for (size_t i = 0; i < a.size(); i++) CHECK(a[i].tensor->equal(*b[i].tensor));
  }
}

TEST_CASE("a factored layer is scored and cut as the matrix that it stands for") {
  SilentJob job;
  const auto factored = pruning_decoder(kPruningCases[1], 3);
  for (const auto& block : factored->blocks())
    for (const auto& [name, linear] : block.linears()) {
      auto [u, s, vh] = at::linalg_svd(linear->weight, /*full_matrices=*/false);
      const int64_t rank = 5;
      linear->factors =
          nn::Factors{rank, (u * s).slice(1, 0, rank).contiguous(), vh.slice(0, 0, rank).contiguous()};
      linear->weight = at::Tensor();
    }
  const auto dense = std::make_shared<models::Decoder>(*factored);
  for (const auto& block : dense->blocks())
    for (const auto& [name, linear] : block.linears()) {
      linear->weight = linear->dense();
      linear->factors.reset();
    }
  for (const auto criterion : kCriteria) {
    const auto a = std::make_shared<models::Decoder>(*factored), b = deep_copy(*dense);
    const compress::HeadOptions options = {criterion, HeadUnit::group, {.remove = 3}};
    const auto kept = prune_heads(*a, options, calibration_rows(*a, 3), job).kept;
    CHECK(kept == prune_heads(*b, options, calibration_rows(*b, 3), job).kept);
    CHECK(distance(answer(*a), answer(*b)) < 1e-4);
    check_shapes(*a);
    CHECK(a->blocks()[0].o.linear->factors->in_RI.size(1) == 8 * static_cast<int64_t>(kept[0].size()));
  }
}

TEST_CASE("one head of a model of width 768 costs 196,800 parameters") {
  SilentJob job;
  auto spec = tiny_spec();
  spec.hidden_size = 768;
  spec.head_dim = 64;
  spec.qk_norm = false;
  spec.o_bias = true;
  spec.layers = {{{12, 12, 8}, 0, {}}};
  const auto model = tiny_decoder(spec);
  const int64_t before = count_parameters(*model);
  prune_heads(*model, {HeadCriterion::l1, HeadUnit::group, {.remove = 1}}, {}, job);
  CHECK(before - count_parameters(*model) == 196800);
}

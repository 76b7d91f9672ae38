#include "compress/heads.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "compress/plain_weights.h"
#include "compress/sensitivity.h"
#include "compress/to_list.h"
#include "core/error.h"
#include "kernels/aten.h"
#include "nn/cut.h"

namespace tongueforge::compress {
namespace {

int64_t queries_per_group(const models::Block& block) {
  return block.sizes.num_heads / block.sizes.num_kv_heads;
}

// Sums of |weights| and |biases| over the rows of each head: (heads * H, I) -> heads.
std::vector<double> head_magnitudes(const nn::Linear& linear, int64_t head_dim) {
  auto rows_O = linear.dense().abs().sum(1, /*keepdim=*/false, at::kDouble);
  if (linear.bias.defined()) rows_O = rows_O + linear.bias.abs();
  return to_list(rows_O.unflatten(0, {-1, head_dim}).sum(1));
}

// Keys and values that r query heads share count for each of them by an r-th, so that a group weighs what
// would leave with it.
std::vector<double> magnitudes(const models::Block& block) {
  auto scores = head_magnitudes(*block.q.linear, block.head_dim);
  const auto keys = head_magnitudes(*block.k.linear, block.head_dim);
  const auto values = head_magnitudes(*block.v.linear, block.head_dim);
  const auto shared = static_cast<size_t>(queries_per_group(block));
  for (size_t head = 0; head < scores.size(); head++)
    scores[head] += (keys[head / shared] + values[head / shared]) / static_cast<double>(shared);
  return scores;
}

// Query heads of each unit of a layer: those of one key head, or one of each.
std::vector<std::vector<int64_t>> units_of(const models::Block& block, HeadUnit unit) {
  const int64_t shared = queries_per_group(block);
  const bool groups = unit == HeadUnit::group;
  std::vector<std::vector<int64_t>> units(static_cast<size_t>(groups ? block.sizes.num_kv_heads : shared));
  for (int64_t head = 0; head < block.sizes.num_heads; head++)
    units[static_cast<size_t>(groups ? head / shared : head % shared)].push_back(head);
  return units;
}

// The score of a unit is that of its heads together.
Scores unit_scores(const std::vector<models::Block>& blocks, HeadUnit unit, const Scores& heads) {
  Scores scores;
  for (size_t layer = 0; layer < blocks.size(); layer++) {
    scores.emplace_back();
    for (const auto& members : units_of(blocks[layer], unit)) {
      double sum = 0;
      for (const int64_t head : members) sum += heads[layer][static_cast<size_t>(head)];
      scores.back().push_back(sum);
    }
  }
  return scores;
}

std::vector<int64_t> heads_of(const models::Block& block, HeadUnit unit, const std::vector<int64_t>& kept) {
  const auto units = units_of(block, unit);
  std::vector<int64_t> heads;
  for (const int64_t number : kept)
    heads.insert(heads.end(), units[static_cast<size_t>(number)].begin(),
                 units[static_cast<size_t>(number)].end());
  std::sort(heads.begin(), heads.end());
  return heads;
}

std::vector<int64_t> all_up_to(int64_t count) {
  std::vector<int64_t> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// Returns what is left. Norms of queries and keys are the same for all heads, the bias of o is no head's.
models::LayerSizes cut_heads(const models::Block& block, const std::vector<int64_t>& heads,
                             const std::vector<int64_t>& kv_heads) {
  nn::keep_outputs(*block.q.linear, heads, block.head_dim);
  nn::keep_outputs(*block.k.linear, kv_heads, block.head_dim);
  nn::keep_outputs(*block.v.linear, kv_heads, block.head_dim);
  nn::keep_inputs(*block.o.linear, heads, block.head_dim);
  auto sizes = block.sizes;
  sizes.num_heads = static_cast<int64_t>(heads.size());
  sizes.num_kv_heads = static_cast<int64_t>(kv_heads.size());
  return sizes;
}

// The key heads that serve these query heads.
std::vector<int64_t> serving(const models::Block& block, const std::vector<int64_t>& heads) {
  const int64_t shared = queries_per_group(block);
  std::vector<int64_t> kv_heads;
  for (const int64_t head : heads)
    if (kv_heads.empty() || kv_heads.back() != head / shared) kv_heads.push_back(head / shared);
  return kv_heads;
}

void check_kept(const models::Block& block, size_t layer, const std::vector<int64_t>& heads) {
  const int64_t count = block.sizes.num_heads;
  if (heads.empty() || heads.front() < 0 || heads.back() >= count ||
      std::ranges::adjacent_find(heads, std::greater_equal<>()) != heads.end())
    throw Error("ERR_CONFIG",
                tongueforge::str("Expected at least one head of layer ", layer, ", ascending from 0 to ",
                                 count - 1, ", received ", at::IntArrayRef(heads)));
  const auto kv_heads = serving(block, heads);
  const size_t left = heads.size() / kv_heads.size();
  for (size_t i = 0; i < heads.size(); i++)
    if (left * kv_heads.size() != heads.size() || heads[i] / queries_per_group(block) != kv_heads[i / left])
      throw Error("ERR_CONFIG",
                  tongueforge::str("Expected equally many query heads of layer ", layer,
                                   " for each key head that is left, received ", at::IntArrayRef(heads)));
}

}  // namespace

Scores head_scores(models::Model& model, HeadCriterion criterion, const CalibrationRows& rows, Job& job) {
  const auto blocks = model.blocks();
  if (criterion == HeadCriterion::l1) {
    const at::NoGradGuard no_grad;
    Scores scores;
    for (const auto& block : blocks) scores.push_back(magnitudes(block));
    return scores;
  }
  std::vector<Watched> contexts;
  for (const auto& block : blocks) contexts.push_back({block.o.linear, block.head_dim});
  const auto kind = criterion == HeadCriterion::data ? SensitivityKind::place : SensitivityKind::document;
  return sensitivities(model, contexts, kind, rows, job);
}

PrunedHeads prune_heads(models::Model& model, const HeadOptions& options, const CalibrationRows& rows,
                        Job& job) {
  const auto blocks = model.blocks();
  for (const auto& block : blocks) check_cuttable(block);
  PrunedHeads pruned;
  pruned.scores = head_scores(model, options.criterion, rows, job);
  const auto kept = select_units(unit_scores(blocks, options.unit, pruned.scores), options.budget);
  for (size_t layer = 0; layer < blocks.size(); layer++) {
    job.check();
    const auto& block = blocks[layer];
    pruned.kept.push_back(heads_of(block, options.unit, kept[layer]));
    pruned.kept_kv.push_back(options.unit == HeadUnit::group ? kept[layer]
                                                             : all_up_to(block.sizes.num_kv_heads));
    model.resize_block(layer, cut_heads(block, pruned.kept.back(), pruned.kept_kv.back()));
  }
  return pruned;
}

PrunedHeads keep_heads(models::Model& model, const KeptUnits& heads) {
  const auto blocks = model.blocks();
  if (heads.size() != blocks.size())
    throw Error("ERR_CONFIG",
                str("Expected the heads of ", blocks.size(), " layers, received those of ", heads.size()));
  for (size_t layer = 0; layer < blocks.size(); layer++) {
    check_cuttable(blocks[layer]);
    check_kept(blocks[layer], layer, heads[layer]);
  }
  PrunedHeads kept{{}, heads, {}};
  for (size_t layer = 0; layer < blocks.size(); layer++) {
    kept.kept_kv.push_back(serving(blocks[layer], heads[layer]));
    model.resize_block(layer, cut_heads(blocks[layer], heads[layer], kept.kept_kv.back()));
  }
  return kept;
}

}  // namespace tongueforge::compress

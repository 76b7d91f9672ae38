// What tests of training steps share: batches, options, all weights of a trainer as one row.
#pragma once
#include <vector>

#include "kernels/aten.h"
#include "models/tiny_decoder.h"
#include "train/trainer.h"

namespace tongueforge::test {

inline train::Batch random_batch(int64_t rows, int64_t time, uint64_t seed) {
  const auto generator = at::detail::createCPUGenerator(seed);
  const auto ids = at::randint(0, 50, {rows, time}, generator, at::kLong);
  auto labels = ids.clone();
  labels.select(1, 0).fill_(-100);
  return {ids, labels, at::zeros_like(ids)};
}

inline train::Batch row_of(const train::Batch& batch, int64_t row) {
  const auto pick = [row](const at::Tensor& t) { return t.slice(0, row, row + 1); };
  return {pick(batch.ids_BT), pick(batch.labels_BT), pick(batch.segments_BT)};
}

inline at::Tensor all_weights(const train::Trainer& trainer) {
  std::vector<at::Tensor> flat;
  for (const auto& parameter : trainer.model().parameters())
    flat.push_back(parameter.tensor->detach().flatten());
  return at::cat(flat);
}

inline train::TrainerOptions made_options() {
  train::TrainerOptions options;
  options.optimizer = {.beta1 = 0.9, .beta2 = 0.95, .weight_decay = 0.1};
  return options;
}

inline const train::TrainerOptions kOptions = made_options();

inline train::TrainerOptions freezing(train::FrozenNames frozen, uint64_t seed = 0) {
  auto options = kOptions;
  options.frozen = std::move(frozen);
  options.seed = seed;
  return options;
}

// Random documents, some of them padding, in rows of 12.
inline train::Batch packed_batch(uint64_t seed) {
  auto batch = random_batch(2, 12, seed);
  batch.segments_BT =
      at::tensor({0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, -1, -1}, at::kLong)
          .view({2, 12});
  batch.labels_BT[1].slice(0, 10).fill_(-100);
  return batch;
}

// Of packed documents, every third place hidden.
inline train::Batch masked_batch(uint64_t seed) {
  auto batch = packed_batch(seed);
  const auto hidden = at::arange(24).view({2, 12}).remainder(3).eq(1).logical_and(batch.segments_BT.ge(0));
  batch.labels_BT = batch.ids_BT.masked_fill(hidden.logical_not(), -100);
  batch.ids_BT = batch.ids_BT.masked_fill(hidden, 4);
  return batch;
}

// Rows of pairs: prompts of 3 tokens, answers of 2 to 4.
inline train::Batch random_pairs(int64_t rows, uint64_t seed) {
  const auto generator = at::detail::createCPUGenerator(seed);
  const auto ids = at::randint(0, 50, {rows, 16}, generator, at::kLong);
  const auto segments = at::tensor({0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1}, at::kLong);
  const auto learnt = at::tensor({0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0}, at::kLong).to(at::kBool);
  const auto labels = at::where(learnt, ids, at::full_like(ids, -100));
  train::Batch batch = {ids, labels, segments.expand({rows, 16}).contiguous()};
  batch.reference_S = at::zeros({2 * rows}, at::kDouble) - 8;
  return batch;
}

}  // namespace tongueforge::test

// What tests of training on a GPU share: trainings of every kind, and how they are run on a device.
#pragma once
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "gpu.h"
#include "models/adapters.h"
#include "models/tiny_decoder.h"
#include "models/tiny_encoder.h"
#include "train/fixtures.h"

namespace tongueforge::test {

using ModelPtr = std::shared_ptr<models::Model>;

/// A training of ten updates.
struct Setting {
  const char* name;
  int64_t accumulation = 1;  // micro-batches
  std::function<void(train::TrainerOptions&)> change = [](train::TrainerOptions&) {};
  std::function<ModelPtr()> model = [] { return tiny_decoder(); };
  train::Batch (*batch)(uint64_t seed) = packed_batch;
  double dropout = -1;  // of adapters on a frozen model; negative: there are none
};

// Gradients near zero make steps of either sign in Adam's first updates: eps keeps them small.
inline train::TrainerOptions gpu_options() {
  auto options = kOptions;
  options.optimizer.eps = 1e-5;
  options.seed = 3;
  return options;
}

inline ModelPtr on(ModelPtr model, at::Device device) {
  models::move_to(*model, device);
  return model;
}

inline train::TrainerOptions options_of(const Setting& setting, models::Model& model, at::Device device) {
  auto options = gpu_options();
  if (setting.dropout >= 0) {
    for (const auto& parameter : model.parameters()) options.frozen.insert(parameter.name);
    models::attach_adapters(model,
                            {{"model.layers.0.mlp.up_proj", 4, 2}, {"model.layers.1.self_attn.q_proj", 4, 2}},
                            setting.dropout, 1);
    for (const auto& parameter : models::adapter_parameters(model)) parameter.tensor->add_(0.1);
  }
  setting.change(options);
  if (const auto& teacher = options.loss.distillation.teacher)
    models::move_to(const_cast<models::Model&>(*teacher), device);
  return options;
}

inline train::Batch rows_of(const train::Batch& batch, int64_t begin, int64_t end) {
  const auto pick = [&](const at::Tensor& t) { return t.slice(0, begin, end); };
  train::Batch rows = {pick(batch.ids_BT), pick(batch.labels_BT), pick(batch.segments_BT)};
  if (batch.reference_S.defined()) rows.reference_S = batch.reference_S.slice(0, 2 * begin, 2 * end);
  return rows;
}

// The same rows, however they are cut.
inline std::vector<train::Batch> cut(const train::Batch& batch, int64_t accumulation) {
  const int64_t rows = batch.ids_BT.size(0) / accumulation;
  std::vector<train::Batch> all;
  for (int64_t i = 0; i < accumulation; i++) all.push_back(rows_of(batch, i * rows, (i + 1) * rows));
  return all;
}

inline std::vector<train::StepResult> updates(train::Trainer& trainer, const Setting& setting, int64_t first,
                                              int64_t count) {
  SilentJob job;
  std::vector<train::StepResult> results;
  for (int64_t step = first; step < first + count; step++) {
    const auto batches = cut(setting.batch(static_cast<uint64_t>(step)), setting.accumulation);
    results.push_back(trainer.step(batches, {.lr = 0.005, .clip = 1, .step = step}, job));
  }
  return results;
}

inline std::vector<train::StepResult> trained_on(at::Device device, const Setting& setting) {
  const auto model = on(setting.model(), device);
  train::Trainer trainer(model, options_of(setting, *model, device));
  return updates(trainer, setting, 0, 10);
}

inline train::Batch four_rows(uint64_t seed) {
  const auto a = packed_batch(2 * seed), b = packed_batch(2 * seed + 1);
  return {at::cat({a.ids_BT, b.ids_BT}), at::cat({a.labels_BT, b.labels_BT}),
          at::cat({a.segments_BT, b.segments_BT})};
}

inline void use_adafactor(train::TrainerOptions& options) { options.optimizer.kind = "adafactor"; }

inline std::vector<Setting> settings() {
  using Options = train::TrainerOptions;
  const auto teacher = [](const std::function<ModelPtr()>& make) {
    return [make](Options& options) {
      options.loss.kind = "distillation";
      options.loss.distillation.teacher = make();
      options.loss.distillation.mix = {.temperature = 2, .alpha = 0.5};
      options.loss.distillation.hidden = {{{0, 0}, {1, 1}, {2, 2}}, 0.7, 0.9, 3};
    };
  };
  const auto wide = []() -> ModelPtr {
    auto spec = tiny_spec();
    spec.hidden_size = 32;
    return tiny_decoder(spec, 11);
  };
  const auto encoder = []() -> ModelPtr { return tiny_encoder(); };
  const auto pruned = []() -> ModelPtr {
    auto model = tiny_decoder();
    for (const auto& block : model->blocks()) block.narrow.linear->weight.slice(0, 0, 9).zero_();
    return model;
  };
  return {
      {"adamw", 1, {[](Options&) {}}},
      {"adamw, four micro-batches", 4, {[](Options&) {}}, [] { return tiny_decoder(); }, four_rows},
      {"adafactor", 1, use_adafactor},
      {"adafactor with a first moment", 1, [](Options& o) { use_adafactor(o), o.optimizer.beta1 = 0.9; }},
      {"blocks recomputed", 1, [](Options& o) { o.recompute_blocks = true; }},
      {"z-loss", 1, [](Options& o) { o.loss.z_loss = 0.02; }},
      {"masks", 1, [](Options& o) { o.masks = train::Masking::zeros; }, pruned},
      {"adapters", 1, {[](Options&) {}}, [] { return tiny_decoder(); }, packed_batch, 0},
      {"adapters that drop", 1, {[](Options&) {}}, [] { return tiny_decoder(); }, packed_batch, 0.3},
      {"preference", 1, [](Options& o) { o.loss = {"preference", {"sigmoid", 0.5, 0, 0.3}}; },
       [] { return tiny_decoder(); }, [](uint64_t seed) { return random_pairs(2, seed); }},
      {"masked", 1, [](Options& o) { o.loss.kind = "masked"; }, encoder, masked_batch},
      {"distillation", 1, teacher(wide)},
  };
}

inline std::string state_path() {
  return (std::filesystem::temp_directory_path() / str("tongueforge_gpu_", ::getpid(), ".safetensors"))
      .string();
}

// Of a trainer, or a snapshot of one.
inline void save(const auto& state, Job& job) {
  std::filesystem::remove(state_path());
  state.save_state(state_path(), job);
}

inline bool same_bits(const train::Trainer& a, const train::Trainer& b) {
  return all_weights(a).cpu().equal(all_weights(b).cpu());
}

}  // namespace tongueforge::test

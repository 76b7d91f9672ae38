// Random models for structured pruning, with all that a cut can get wrong, and what they say of random rows.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "compress/calibration_rows.h"
#include "kernels/aten.h"
#include "models/tiny_decoder.h"
#include "train/loss.h"

namespace tongueforge::test {

/// A kind of model by what sets it apart.
struct PruningCase {
  std::string name;
  int64_t num_heads, num_kv_heads;
  bool bias, qk_norm;
  int64_t window = 0;
};

inline const std::vector<PruningCase> kPruningCases = {
    {"every head with its own key", 4, 4, false, false},
    {"groups of two", 6, 3, true, false},
    {"groups of three, norms on q and k, a window", 6, 2, true, true, 5},
    {"one key for all", 4, 1, false, true},
};

inline at::Generator generator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

/// Biases and norms are drawn too: zeros and ones would hide a wrong cut.
inline std::shared_ptr<models::Decoder> pruning_decoder(const PruningCase& c, uint64_t seed, int layers = 3,
                                                        int64_t intermediate = 12) {
  models::DecoderSpec spec = tiny_spec();
  spec.qkv_bias = spec.o_bias = spec.mlp_bias = c.bias;
  spec.qk_norm = c.qk_norm;
  spec.layers.clear();
  for (int layer = 0; layer < layers; layer++)
    spec.layers.push_back({{c.num_heads, c.num_kv_heads, intermediate}, layer == 1 ? c.window : 0, {}});
  auto model = tiny_decoder(spec, seed);
  auto random = generator(seed + 1);
  for (const auto& parameter : model->parameters())
    if (parameter.kind == models::ParameterKind::bias || parameter.kind == models::ParameterKind::norm)
      parameter.tensor->add_(at::randn(parameter.shape, random) * 0.3);
  return model;
}

inline void to_double(models::Model& model) {
  for (const auto& parameter : model.parameters()) *parameter.tensor = parameter.tensor->to(at::kDouble);
}

/// Rows of two documents each, and padding at the end of the first.
inline train::Batch calibration_batch(uint64_t seed) {
  auto random = generator(seed);
  const auto ids = at::randint(0, 50, {2, 12}, random, at::kLong);
  const auto segments =
      at::tensor({0, 0, 0, 0, 0, 1, 1, 1, 1, 1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1}, at::kLong)
          .view({2, 12});
  auto labels = ids.masked_fill(segments.lt(0), -100);
  labels[0][0] = labels[0][5] = labels[1][0] = labels[1][7] = -100;  // nothing stands before them
  return {ids, labels, segments};
}

/// The loss of a model over batches; the model must outlive it.
inline compress::CalibrationRows calibration_rows(const models::Model& model,
                                                  const std::vector<train::Batch>& batches,
                                                  const std::string& kind = "language") {
  compress::CalibrationRows rows;
  for (const auto& batch : batches) rows.batches.push_back(batch.rows());
  const std::shared_ptr<train::Loss> loss = train::make_loss({kind}, model);
  rows.loss = [loss, batches](size_t batch, const Job& job) { return loss->sum(batches[batch], &job).sum; };
  return rows;
}

inline compress::CalibrationRows calibration_rows(const models::Model& model, uint64_t seed) {
  return calibration_rows(model, {calibration_batch(seed), calibration_batch(seed + 100)});
}

inline at::Tensor answer(const models::Model& model, uint64_t seed = 77) {
  const at::NoGradGuard no_grad;
  const auto batch = calibration_batch(seed);
  return model.hidden_packed(batch.rows());
}

inline double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

/// A copy whose tensors are its own, so that a test may write into them.
inline std::shared_ptr<models::Decoder> deep_copy(const models::Decoder& model) {
  auto copy = std::make_shared<models::Decoder>(model);
  for (const auto& parameter : copy->parameters()) *parameter.tensor = parameter.tensor->clone();
  return copy;
}

inline int64_t count_parameters(const models::Model& model) {
  int64_t count = 0;
  for (const auto& parameter : model.parameters()) count += parameter.tensor->numel();
  return count;
}

/// Whether every tensor has the shape that the model says, and is the only user of its memory.
inline void check_shapes(const models::Model& model) {
  for (const auto& parameter : model.parameters()) {
    CAPTURE(parameter.name);
    CHECK(parameter.tensor->sizes().vec() == parameter.shape);
    CHECK(parameter.tensor->is_contiguous());
  }
}

}  // namespace tongueforge::test

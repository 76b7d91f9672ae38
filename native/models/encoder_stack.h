// The blocks of an encoder, of text or of speech: under which names, cut to which sizes, and run one after
// the other. What stands before and behind them is the model's. Letters: B batch, T time, D model.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "models/encoder_layer_spec.h"
#include "models/model.h"
#include "nn/encoder_layer.h"

namespace tongueforge::models {

/// Names on disk within a block.
struct EncoderLayerNames {
  const char *q, *k, *v, *o, *attention_norm, *widen, *narrow, *mlp_norm;
};

/// What all blocks have in common.
struct EncoderStackSpec {
  EncoderLayerNames names;
  std::string prefix;  // of all names, up to the number of the block: "bert.encoder.layer."
  int64_t hidden_size = 0, head_dim = 0;
  double layer_norm_eps = 1e-12;
  nn::Activation activation = nn::Activation::gelu;
  bool norm_first = false;
  std::shared_ptr<const nn::TrainingDropout> dropout{};  // of the model
};

/// What a pass through the blocks goes by; the job must live until backward.
struct EncoderPass {
  std::shared_ptr<const nn::Visibility> visibility;
  const Job* job = nullptr;                          // asked before every block
  std::shared_ptr<nn::TrainingDropout> recompute{};  // of the model, where backward computes blocks again
};

class EncoderStack {
 public:
  /// Throws ERR_MODEL_CONFIG for the rank of a layer that there is not.
  EncoderStack(EncoderStackSpec spec, const std::vector<EncoderLayerSpec>& layers);

  /// Of all blocks, in the order of the forward pass.
  void append_parameters(std::vector<Parameter>& all);
  std::vector<Block> blocks();
  void resize_block(size_t i, const LayerSizes& sizes);
  void keep_blocks(const std::vector<size_t>& kept);

  /// (B,T,D) -> (B,T,D)
  at::Tensor run_block(size_t i, const at::Tensor& x_BTD, const nn::Visibility& visibility) const;
  /// All blocks in turn on x_BTD, and what the n-th of them gives for each n of `behind`.
  HiddenStates run(const at::Tensor& x_BTD, const std::vector<size_t>& behind, const EncoderPass& pass) const;

 private:
  struct Layer {
    EncoderLayerSpec sizes;
    nn::EncoderLayer layer;
  };

  std::string prefix_of(size_t i) const;
  nn::EncoderLayer make_layer(const EncoderLayerSpec& sizes, size_t number) const;
  void append_layer(std::vector<Parameter>& all, size_t i);
  at::Tensor recomputed_block(size_t i, const at::Tensor& x_BTD, const EncoderPass& pass) const;

  EncoderStackSpec spec_;
  std::vector<Layer> layers_;
};

}  // namespace tongueforge::models

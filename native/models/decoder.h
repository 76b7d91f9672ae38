// Llama-like decoders: Llama 2/3, Mistral, Qwen2, Qwen3. They differ by the options of their DecoderSpec
// only. Letters: B batch, T time, D model, V vocabulary.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "core/job.h"
#include "core/value.h"
#include "models/decoder_spec.h"
#include "nn/attention.h"
#include "nn/gated_mlp.h"

namespace tongueforge::models {

struct DecoderLayer {
  at::Tensor attention_norm, mlp_norm;  // (D)
  nn::Attention attention;
  nn::GatedMlp mlp;

  /// All of them, those of adapters included.
  std::vector<at::Tensor> tensors() const;
};

enum class ParameterKind { embedding, head, norm, bias, matrix, attention_output, mlp_output };

/// One tensor of the model under its name on disk. The outputs are the matrices that write into the residual
/// stream.
struct Parameter {
  std::string name;
  at::Tensor* tensor;
  std::vector<int64_t> shape;
  ParameterKind kind;
  nn::Linear* linear = nullptr;  // the layer of which it is the weight: what an adapter may be put on
};

/// Keys and values of all layers for one batch of sequences of equal length.
struct DecoderCache {
  std::vector<nn::KvCache> layers;
  int64_t length = 0;  // positions filled so far
};

class Decoder final : public Object {
 public:
  explicit Decoder(DecoderSpec spec);

  const DecoderSpec& spec() const { return spec_; }
  /// Every tensor, in the order of the forward pass; the table of names of this family.
  std::vector<Parameter> parameters();
  std::vector<Parameter> parameters() const { return const_cast<Decoder*>(this)->parameters(); }

  /// ids (B,T) int64 -> hidden states before the head, (B,T,D). With a cache, continues after its positions.
  /// A job is asked before every layer whether it was cancelled.
  at::Tensor hidden(const at::Tensor& ids_BT, DecoderCache* cache = nullptr, const Job* job = nullptr) const;
  /// As hidden(), for packed rows: segments (B,T) number the documents of a row; attention and positions
  /// restart at each of them.
  at::Tensor hidden_packed(const at::Tensor& ids_BT, const at::Tensor& segments_BT,
                           const Job* job = nullptr) const;
  /// (V,D): what hidden states are multiplied with to give logits.
  const at::Tensor& head() const { return spec_.tied_head ? embedding_ : head_; }
  /// (..., D) -> (..., V)
  at::Tensor logits(const at::Tensor& hidden) const;

  /// Room for `batch` sequences of `capacity` positions; more is taken when needed.
  DecoderCache make_cache(int64_t batch, int64_t capacity) const;

  /// Where the head is the embedding, it becomes a parameter of its own, with the same values.
  void untie_head() {
    if (!spec_.tied_head) return;
    spec_.tied_head = false;
    head_ = embedding_;
  }

  at::ScalarType dtype() const { return embedding_.scalar_type(); }
  /// Whether a recorded forward pass keeps only what goes into each block, and backward computes the rest
  /// again.
  void recompute_blocks(bool recompute) { recompute_blocks_ = recompute; }
  /// What its adapters share (models/adapters.h); the trainer sets it.
  const std::shared_ptr<nn::AdapterDropout>& adapter_dropout() const { return adapter_dropout_; }
  int64_t bytes() const override;

 private:
  /// What all layers of one forward pass see.
  struct Pass {
    nn::Rotation rotation;
    std::vector<nn::Visibility> visibility;  // of each layer
    DecoderCache* cache;
    const Job* job;
  };
  /// The residual stream, and what the block before adds to it: undefined before the first.
  struct Stream {
    at::Tensor x_BTD, branch_BTD;
  };

  nn::Rotation rotation_of(const at::Tensor& positions, int64_t length) const;
  at::Tensor run_layers(const at::Tensor& x_BTD, const std::shared_ptr<const Pass>& pass) const;
  Stream run_block(size_t i, Stream stream, const Pass& pass) const;
  Stream recomputed_block(size_t i, const Stream& stream, const std::shared_ptr<const Pass>& pass) const;

  DecoderSpec spec_;
  at::Tensor embedding_, final_norm_, head_;  // (V,D), (D), (V,D) or undefined when tied
  std::vector<DecoderLayer> layers_;
  bool recompute_blocks_ = false;
  std::shared_ptr<nn::AdapterDropout> adapter_dropout_ = std::make_shared<nn::AdapterDropout>();
};

}  // namespace tongueforge::models

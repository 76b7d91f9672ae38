// Llama-like decoders: Llama 2/3, Mistral, Qwen2, Qwen3. They differ by the options of their DecoderSpec
// only. Letters: B batch, T time, D model, V vocabulary.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/job.h"
#include "models/decoder_spec.h"
#include "models/model.h"
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

/// Keys and values of all layers for one batch of sequences of equal length.
struct DecoderCache {
  std::vector<nn::KvCache> layers;
  int64_t length = 0;  // positions filled so far
};

/// What steps of generation read on the device, whose number of tokens so far the host need not know.
struct NextPlace {
  at::Tensor place;    // (1) int64: of the token that comes next, in all sequences
  nn::Rotation table;  // of every place, (1,1,S,H)
};

/// Packed rows with all that layers need to know of them, on the device of the model.
struct PlannedRows {
  at::Tensor ids_BT;
  std::shared_ptr<const kernels::PackedPlan> plan;
  nn::Rotation rotation;
};

class Decoder final : public Model {
 public:
  explicit Decoder(DecoderSpec spec);

  const DecoderSpec& spec() const { return spec_; }
  using Model::blocks;
  using Model::parameters;
  std::vector<Parameter> parameters() override;
  std::vector<TiedCopy> tied_copies() const override;
  bool is_derived(const std::string& name) const override;
  int64_t vocab_size() const override { return spec_.vocab_size; }
  at::ScalarType dtype() const override { return embedding_.scalar_type(); }
  at::Device device() const override { return embedding_.device(); }

  std::vector<Block> blocks() override;
  void resize_block(size_t i, const LayerSizes& sizes) override;
  void keep_blocks(const std::vector<size_t>& kept) override;
  void keep_channels(const at::Tensor& kept) override;

  /// ids (B,T) int64 -> hidden states before the head, (B,T,D). With a cache, continues after its positions.
  /// A job is asked before every layer whether it was cancelled.
  at::Tensor hidden(const at::Tensor& ids_BT, DecoderCache* cache = nullptr, const Job* job = nullptr) const;
  /// The same for one more token a sequence, ids (B,1) on the device -> (B,1,D): nothing waits, no shape
  /// changes from step to step, so that it can be recorded. The cache has room for the place, and numbers
  /// everywhere; neither its length nor the place is moved on.
  at::Tensor next_hidden(const at::Tensor& ids_B1, DecoderCache& cache, const NextPlace& next) const;
  /// The same for rows of single tokens, ids (M,1), of sequences that share a pool of pages -> (M,1,D). Each
  /// row gives the bits that it gives alone, beside whatever others. `table`: of make_places(), for all
  /// places.
  at::Tensor paged_hidden(const at::Tensor& ids_M1, const std::shared_ptr<const kernels::PagedRows>& rows,
                          const nn::Rotation& table, DecoderCache& pool, const Job* job = nullptr) const;
  /// A pool of so many pages for paged_hidden(), untouched.
  DecoderCache make_pool(int64_t pages) const;
  /// The places 0 .. capacity-1, the first to come next. Nothing where the rotation of a place depends on how
  /// many there are (the dynamic scaling).
  std::optional<NextPlace> make_places(int64_t capacity) const;
  at::Tensor embed(const Rows& rows) const override;
  at::Tensor run_block(size_t i, const at::Tensor& x_BTD, const Rows& rows, const Job* job) const override;
  at::Tensor hidden_packed(const Rows& rows, const Job* job = nullptr) const override;
  HiddenStates hidden_states(const Rows& rows, const std::vector<size_t>& behind,
                             const Job* job = nullptr) const override;
  /// As hidden_packed(), and without a look at memory of the CPU: the rows of a fixed plan may change between
  /// runs of what was recorded.
  at::Tensor hidden_planned(const PlannedRows& rows, const Job* job = nullptr) const;
  /// What turns queries and keys at the places of a plan.
  nn::Rotation rotation_of(const kernels::PackedPlan& plan) const;
  /// (V,D): what hidden states are multiplied with to give logits.
  const at::Tensor& head() const { return spec_.tied_head ? embedding_ : head_; }
  /// (..., D) -> (..., V). Within a RowwiseScope, each row for itself.
  at::Tensor logits(const at::Tensor& hidden) const;

  /// Room for `batch` sequences of `capacity` positions; more is taken when needed.
  DecoderCache make_cache(int64_t batch, int64_t capacity) const;

  /// Where the head is the embedding, it becomes a parameter of its own, with the same values.
  void untie_head() {
    if (!spec_.tied_head) return;
    spec_.tied_head = false;
    head_ = embedding_;
  }

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

  std::shared_ptr<const Pass> packed_pass(const Rows& rows, const Job* job) const;
  std::shared_ptr<const Pass> pass_of(const std::shared_ptr<const kernels::PackedPlan>& plan,
                                      const nn::Rotation& rotation, const Job* job) const;
  nn::Rotation rotation_of(const at::Tensor& positions, int64_t length) const;
  /// Sees the residual stream behind the n-th block, where `wants(n)` says so.
  struct Watch {
    std::function<bool(size_t passed)> wants;
    std::function<void(size_t passed, const at::Tensor& x_BTD)> see;
  };
  at::Tensor run_layers(const at::Tensor& x_BTD, const std::shared_ptr<const Pass>& pass,
                        const Watch* watch = nullptr) const;
  Stream block_on(size_t i, Stream stream, const Pass& pass) const;
  Stream recomputed_block(size_t i, const Stream& stream, const std::shared_ptr<const Pass>& pass) const;

  DecoderSpec spec_;
  at::Tensor embedding_, final_norm_, head_;  // (V,D), (D), (V,D) or undefined when tied
  std::vector<DecoderLayer> layers_;
};

/// Throws ERR_MODEL_CONFIG for a model of another kind.
const Decoder& as_decoder(const Model& model);

}  // namespace tongueforge::models

// A Transformer block that looks both ways. It norms after each of its two parts, as in BERT, RoBERTa and
// HuBERT base (the original order of Vaswani et al. 2017, arXiv 1706.03762), or before each, as in HuBERT
// large (Xiong et al. 2020, arXiv 2002.04745).
// Letters: B batch, T time, D model, N heads, H head dim, F feed-forward.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "nn/activation.h"
#include "nn/attention.h"
#include "nn/dropout.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"

namespace tongueforge::nn {

/// Packed rows on the host whose documents see themselves whole, for a model on this device: what
/// kernels::packed_attention takes, or a mask for float16 on the CPU. The job is asked within the layer, in
/// backward too, and must live until then.
Visibility whole_documents(const at::Tensor& segments_BT, at::ScalarType dtype, at::Device device,
                           const Job* job);

struct EncoderLayer {
  Linear q, k, v, o;         // (N*H,D) three times, (D,N*H)
  LayerNorm attention_norm;  // of x + attention, or of what attention reads
  Linear widen, narrow;      // (F,D), (D,F)
  LayerNorm mlp_norm;        // of that + feed-forward, or of what feed-forward reads
  bool norm_first = false;   // before each part
  int64_t num_heads = 0, head_dim = 0;
  Activation activation = Activation::gelu;
  std::shared_ptr<const TrainingDropout> dropout;  // of the model; null: nothing is dropped
  uint64_t number = 0;                             // of the block within it

  /// (B,T,D) -> (B,T,D)
  at::Tensor operator()(const at::Tensor& x_BTD, const Visibility& visibility) const;
  /// All of them, those of adapters included.
  std::vector<at::Tensor> tensors() const;

 private:
  at::Tensor attention(const at::Tensor& x_BTD, const Visibility& visibility) const;
  at::Tensor feed_forward(const at::Tensor& x_BTD) const;
  at::Tensor dropped(const at::Tensor& x_BTD, uint64_t part) const;
};

}  // namespace tongueforge::nn

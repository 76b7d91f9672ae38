// Text encoders that look both ways: BERT (Devlin et al. 2018, arXiv 1810.04805) and RoBERTa (Liu et al.
// 2019, arXiv 1907.11692), with the head of a masked language model, of a classifier, or none.
// Letters: B batch, T time, D model, V vocabulary, M rows of hidden states, C labels.
#pragma once
#include <ATen/core/Tensor.h>

#include <set>
#include <string>
#include <vector>

#include "models/encoder_spec.h"
#include "models/encoder_stack.h"
#include "models/masked_predictor.h"
#include "models/model.h"

namespace tongueforge::models {

/// decoder(norm(activation(dense(x)))): what makes logits of hidden states.
struct MaskedHead {
  nn::Linear dense;
  nn::LayerNorm norm;
  at::Tensor decoder, bias;  // (V,D), undefined where it is the embedding; (V)
};

/// out(tanh(dense(x))) of a document's first token; BERT calls the first of them pooler.
struct ClassificationHead {
  nn::Linear dense, out;
};

class TextEncoder final : public Model, public MaskedPredictor {
 public:
  explicit TextEncoder(EncoderSpec spec);

  /// Without its layers, which may change: blocks() tells their sizes.
  const EncoderSpec& spec() const { return spec_; }
  using Model::blocks;
  using Model::parameters;
  std::vector<Parameter> parameters() override;
  std::vector<TiedCopy> tied_copies() const override;
  bool is_derived(const std::string& name) const override;
  bool is_of_another_head(const std::string& name) const override;
  std::string name_of(const std::string& name_in_file) const override;
  void fit_to(const std::set<std::string>& names) override;
  int64_t vocab_size() const override { return spec_.vocab_size; }
  at::ScalarType dtype() const override { return words_.scalar_type(); }
  at::Device device() const override { return words_.device(); }

  std::vector<Block> blocks() override { return stack_.blocks(); }
  void resize_block(size_t i, const LayerSizes& sizes) override { stack_.resize_block(i, sizes); }
  void keep_blocks(const std::vector<size_t>& kept) override { stack_.keep_blocks(kept); }

  /// Throws ERR_DATA for a document that is longer than the model has positions.
  at::Tensor embed(const Rows& rows) const override;
  at::Tensor run_block(size_t i, const at::Tensor& x_BTD, const Rows& rows, const Job* job) const override;
  at::Tensor hidden_packed(const Rows& rows, const Job* job = nullptr) const override;
  HiddenStates hidden_states(const Rows& rows, const std::vector<size_t>& behind,
                             const Job* job = nullptr) const override;

  at::Tensor prediction(const at::Tensor& hidden_MD) const override;
  const at::Tensor& decoder() const override { return spec_.tied_head ? words_ : masked_.decoder; }
  const at::Tensor& decoder_bias() const override { return masked_.bias; }
  bool predicts_masked() const override { return spec_.head == EncoderHead::masked_lm; }
  /// (M,D) -> (M,V)
  at::Tensor token_logits(const at::Tensor& hidden_MD) const;
  /// Hidden states of the first token of each document -> (M,C)
  at::Tensor label_logits(const at::Tensor& first_MD) const;

 private:
  /// Tensors that transformers expects beside those that we compute with.
  struct Kept {
    std::string name;
    std::vector<int64_t> shape;
    at::Tensor tensor;
  };

  std::string prefix() const;
  void keep(const std::string& name, std::vector<int64_t> shape);
  void append_embeddings(std::vector<Parameter>& all);
  void append_head(std::vector<Parameter>& all);

  EncoderSpec spec_;
  at::Tensor words_, positions_, types_;  // (V,D), (P,D), (types,D)
  nn::LayerNorm embedding_norm_;
  EncoderStack stack_;
  MaskedHead masked_;
  ClassificationHead classification_;
  bool own_bias_;  // the head's bias is the decoder's, not the one beside it
  std::vector<Kept> kept_;
};

/// Throws ERR_MODEL_CONFIG for a model of another kind, or without this head.
const TextEncoder& as_encoder(const Model& model);
const TextEncoder& as_masked_lm(const Model& model);
const TextEncoder& as_classifier(const Model& model);

}  // namespace tongueforge::models

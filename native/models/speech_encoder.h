// Speech encoders: MelHuBERT (Lin et al. 2022, arXiv 2211.09944) hears frames of a filterbank, HuBERT (Hsu et
// al. 2021, arXiv 2106.07447) and wav2vec 2.0 (Baevski et al. 2020, arXiv 2006.11477) hear samples.
// Letters: B batch, T time, D model, C values a frame, M places that are sound, K clusters.
#pragma once
#include <ATen/core/Tensor.h>

#include <set>
#include <string>
#include <vector>

#include "models/encoder_stack.h"
#include "models/masked_predictor.h"
#include "models/model.h"
#include "models/speech_spec.h"
#include "nn/positional_convolution.h"
#include "nn/sample_convolutions.h"

namespace tongueforge::models {

/// Rows are utterances: segment 0 where there is sound, -1 behind its end. Each has the hidden states that it
/// has alone.
class SpeechEncoder final : public Model, public MaskedPredictor {
 public:
  explicit SpeechEncoder(SpeechSpec spec);

  /// Without its layers, which may change: blocks() tells their sizes.
  const SpeechSpec& spec() const { return spec_; }
  using Model::blocks;
  using Model::parameters;
  std::vector<Parameter> parameters() override;
  bool is_of_another_head(const std::string& name) const override;
  std::string name_of(const std::string& name_in_file) const override;
  void fit_to(const std::set<std::string>& names) override;
  void complete_drawn() override;
  /// Clusters that are foretold.
  int64_t vocab_size() const override { return spec_.num_clusters; }
  at::ScalarType dtype() const override { return projection_.weight.scalar_type(); }
  at::Device device() const override { return projection_.weight.device(); }

  std::vector<Block> blocks() override { return stack_.blocks(); }
  void resize_block(size_t i, const LayerSizes& sizes) override { stack_.resize_block(i, sizes); }
  void keep_blocks(const std::vector<size_t>& kept) override { stack_.keep_blocks(kept); }

  /// Places that come of a sound of so many frames, or samples.
  int64_t places(int64_t length) const;
  /// Throws ERR_DATA for sounds of another kind, and for those that are not as long as their row says.
  at::Tensor embed(const Rows& rows) const override { return embedded(rows, nullptr); }
  at::Tensor run_block(size_t i, const at::Tensor& x_BTD, const Rows& rows, const Job* job) const override;
  at::Tensor hidden_packed(const Rows& rows, const Job* job = nullptr) const override;
  HiddenStates hidden_states(const Rows& rows, const std::vector<size_t>& behind,
                             const Job* job = nullptr) const override;

  /// Of clusters, where the model foretells them: hidden states are multiplied as they are.
  at::Tensor prediction(const at::Tensor& hidden_MD) const override { return hidden_MD; }
  const at::Tensor& decoder() const override { return clusters_.weight; }
  const at::Tensor& decoder_bias() const override { return clusters_.bias; }
  bool predicts_masked() const override { return spec_.num_clusters > 0; }

 private:
  std::string prefix() const;
  void append_front(std::vector<Parameter>& all);
  void append_position(std::vector<Parameter>& all);
  void append_norm_of_stack(std::vector<Parameter>& all);
  at::Tensor embedded(const Rows& rows, const Job* job) const;
  at::Tensor projected(const Rows& rows, const at::Tensor& places_M, const Job* job) const;
  at::Tensor heard(const Rows& rows, const at::Tensor& maybe_hidden_M, const Job* job) const;

  SpeechSpec spec_;
  nn::SampleConvolutions convolutions_;
  nn::LayerNorm projection_norm_;
  nn::Linear projection_;  // (D,C)
  at::Tensor masked_;      // (D): what stands for a place that is not heard
  nn::PositionalConvolution position_;
  nn::LayerNorm norm_;  // before the blocks, or behind them
  EncoderStack stack_;
  nn::Linear clusters_;
  bool has_masked_;               // in the folder that it is read from
  bool is_parametrized_ = false;  // its weight norm has the names of newer releases of torch
};

/// Throws ERR_MODEL_CONFIG for a model of another kind.
const SpeechEncoder& as_speech(const Model& model);

}  // namespace tongueforge::models

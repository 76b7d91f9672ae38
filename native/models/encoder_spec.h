// Sizes and options of a text encoder, as read from its config.json by the facade.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "models/encoder_layer_spec.h"
#include "nn/activation.h"

namespace tongueforge::models {

enum class EncoderHead { none, masked_lm, classification };
/// Whose names the tensors have on disk.
enum class EncoderNames { bert, roberta };

struct EncoderSpec {
  EncoderNames names = EncoderNames::bert;
  EncoderHead head = EncoderHead::none;
  bool bare = false;           // saved without the name of the base model before each tensor's
  bool next_sentence = false;  // BERT's second task is saved beside the first; we have no use for it
  int64_t vocab_size = 0, hidden_size = 0, head_dim = 0, max_positions = 0, type_vocab_size = 1;
  int64_t num_labels = 0;      // of a classification head
  int64_t first_position = 0;  // row of the position table that a document's first token has
  double layer_norm_eps = 1e-12;
  nn::Activation activation = nn::Activation::gelu;
  nn::Activation head_activation = nn::Activation::gelu;  // of the masked-LM head
  bool tied_head = true;                                  // the masked-LM head ends in the embedding
  std::vector<EncoderLayerSpec> layers;                   // of the model as it is made
};

}  // namespace tongueforge::models

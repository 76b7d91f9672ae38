// The tensors with a row for each token.
#pragma once
#include <string_view>

namespace tongueforge::merge {

inline constexpr std::string_view kEmbeddingName = "model.embed_tokens.weight";
inline constexpr std::string_view kHeadName = "lm_head.weight";

inline bool is_vocabulary(std::string_view name) { return name == kHeadName || name == kEmbeddingName; }

}  // namespace tongueforge::merge

// What a model reads in one pass. Letters: B batch, T time, S samples, C values a frame.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace tongueforge::models {

/// Rows of packed text, or of sound, one utterance a row; all on the CPU.
struct Rows {
  at::Tensor ids_BT;                 // int64 token ids; undefined where there is sound
  at::Tensor segments_BT;            // int64: the number of the document within its row, -1 for none
  std::vector<at::Tensor> sounds{};  // float32, of each row: frames (T,C), or samples (S) that make T places
  at::Tensor hidden_BT{};  // bool: places of sound that are not heard, as they are foretold; undefined: none

  int64_t places() const { return segments_BT.numel(); }
};

}  // namespace tongueforge::models

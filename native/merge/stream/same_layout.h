// An output that looks like one of its inputs: the same files, headers and order, but for the tensors that
// change their shape or come in addition.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "checkpoint/model_weights.h"
#include "checkpoint/safetensors_writer.h"
#include "merge/stream/stream.h"

namespace tongueforge::merge {

/// A tensor of the output.
struct NewTensor {
  checkpoint::TensorSpec spec;
  std::unique_ptr<Piece> piece;
};

/// `make` gives what takes the place of each tensor of the source, `added` goes behind the tensors of the
/// last file. A file whose tensors keep their shapes and dtypes keeps its header byte for byte, and an index
/// that would say the same is the source's.
OutputModel with_layout_of(const checkpoint::ModelWeights& source,
                           const std::function<NewTensor(const checkpoint::Weight&)>& make,
                           std::vector<NewTensor> added = {});

}  // namespace tongueforge::merge

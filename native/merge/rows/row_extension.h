// A vocabulary that grows, in the files of its model: embedding and output head get rows for new tokens, from
// files to files by merge/stream/stream.h. A new row is the mean of the rows of the pieces that the token's
// text was made of until now (ElChat, arXiv 2412.11704), so a model that has never seen the token begins
// where its pieces were. Memory is a few megabytes, whatever the model's size; the output has the model's
// shards, order and dtypes, and all else byte for byte.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/model_weights.h"
#include "core/error.h"
#include "core/job.h"
#include "core/value.h"
#include "merge/stream/stream.h"

namespace tongueforge::merge {

/// Rows [0, first) and rows behind the new tokens stay; rows [first, first + pieces.size()) are means.
struct NewRows {
  int64_t first = 0;                         // the row of the first new token: where the tokenizer ended
  std::vector<std::vector<int32_t>> pieces;  // of each new token: rows below `first`, at least one
  /// Rows of the result. Those beyond both the model's and the new tokens' get the mean of rows [0, first):
  /// as rows of a head they give the mean of all logits, so no such row is ever the likeliest.
  int64_t num_rows = 0;
};

struct RowExtensionReport {
  uint64_t tensors_extended = 0, tensors_copied = 0;
  uint64_t bytes_read = 0, bytes_written = 0;
  uint64_t num_nonfinite = 0;  // values of new rows that are infinite or not a number
};

/// {tensors_extended, tensors_copied, bytes_read, bytes_written, nonfinite}
Value to_value(const RowExtensionReport& report);

class RowExtension {
 public:
  /// Opens the model and plans from headers alone. `tied`: the output head is the embedding.
  /// @throws what opening throws: ERR_NOT_FOUND, ERR_SAFETENSORS, ERR_SHARD_INDEX, ERR_IO
  RowExtension(const std::string& model_folder, NewRows rows, bool tied);
  RowExtension(const RowExtension&) = delete;  // its steps point into the files

  /// Why it cannot run: ERR_MISSING_TENSOR, ERR_SHAPE_MISMATCH, ERR_VOCABULARY, ERR_DTYPE. Empty: it can.
  const std::vector<Error>& problems() const { return problems_; }
  uint64_t bytes_to_read() const { return bytes_to_read_; }
  uint64_t bytes_to_write() const { return output_.bytes_to_write(); }

  /// Writes the weight files (and the index of a sharded model) into an existing folder.
  /// @throws the first problem, ERR_INPUT_CHANGED, ERR_IO, ERR_NO_SPACE, Cancelled
  RowExtensionReport run(const std::string& staged_folder, Job& job) const;

 private:
  class Planner;

  checkpoint::ModelWeights model_;
  const NewRows rows_;
  OutputModel output_;
  std::vector<Error> problems_;
  uint64_t bytes_to_read_ = 0;
};

}  // namespace tongueforge::merge

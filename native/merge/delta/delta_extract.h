// What a chat model has beside its base, as a delta file: d = float32(chat) - float32(base), in one of the
// formats of delta_codec.h, from files to a file by merge/stream/stream.h.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/model_weights.h"
#include "core/error.h"
#include "core/job.h"
#include "core/value.h"
#include "merge/delta/delta_codec.h"
#include "merge/delta/delta_figures.h"
#include "merge/source.h"
#include "merge/stream/stream.h"

namespace tongueforge::merge {

struct DeltaModel {
  std::string folder;
  bool tied = false;  // the head is the embedding, as the config says
};

struct DeltaInputs {
  DeltaModel base, chat;
  DeltaSettings settings;
  checkpoint::Metadata metadata;  // of the file, beside what reading it needs
  /// Of each row of the chat model's vocabulary: the row in the base, or -1; null: both have the same rows.
  RowMap base_rows;
  /// Rows of the chat model that are also stored as they are, for targets that lack their tokens. Rising.
  std::vector<int32_t> own_rows;
  /// Ranks that an earlier plan has chosen by energy, by tensor; where they are given none is chosen again.
  std::map<std::string, uint64_t, std::less<>> ranks;
};

class DeltaExtraction {
 public:
  /// Opens both models and matches them by name. Headers alone are read, but for `energy`: then all matrices
  /// are, to choose their ranks. Rotary tables and integers are left out. A tied head is in the delta only if
  /// the other model has a head of its own.
  /// @throws what opening throws: ERR_NOT_FOUND, ERR_SAFETENSORS, ERR_SHARD_INDEX, ERR_IO; Cancelled
  DeltaExtraction(DeltaInputs inputs, Job& job);
  DeltaExtraction(const DeltaExtraction&) = delete;  // its pieces point into the files

  /// Why it cannot run, each with a code and up to 20 tensor names: ERR_MISSING_TENSOR, ERR_SHAPE_MISMATCH,
  /// ERR_VOCABULARY, ERR_DTYPE. Empty: it can.
  const std::vector<Error>& problems() const { return problems_; }
  uint64_t bytes_to_write() const { return output_.bytes_to_write(); }
  uint64_t num_tensors() const { return inputs_of_tensors_.size(); }
  /// Of the low-rank matrices.
  const std::map<std::string, uint64_t, std::less<>>& ranks() const { return inputs_.ranks; }

  /// Writes the file into an existing folder, or goes on where an earlier run of the same extraction stopped;
  /// then reads it back and measures it. Progress: {done_bytes, total_bytes}.
  /// @throws the first problem, ERR_NON_FINITE naming the tensor, ERR_INPUT_CHANGED, ERR_IO, ERR_NO_SPACE,
  /// Cancelled
  DeltaFigures run(const std::string& staged_folder, Job& job, size_t num_threads = 0) const;

 private:
  class Planner;

  std::string identity() const;

  DeltaInputs inputs_;
  checkpoint::ModelWeights base_, chat_;
  std::vector<MeasuredInput> inputs_of_tensors_;
  OutputModel output_;
  std::vector<Error> problems_;
};

}  // namespace tongueforge::merge

// The chat vector, Huang et al., ACL 2024 (arXiv 2310.04799): new = target + scale * (chat - base), for one
// or several pairs of chat and base, streamed from files to files by merge/stream/stream.h. The output has
// the target's files, headers and order.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/model_weights.h"
#include "core/error.h"
#include "core/job.h"
#include "merge/delta/delta_file.h"
#include "merge/graft/graft_report.h"
#include "merge/graft/sparsify.h"
#include "merge/source.h"
#include "merge/stream/stream.h"

namespace tongueforge::merge {

/// A model folder, and what its config says of the head: `tie_word_embeddings`.
struct GraftModel {
  std::string folder;
  bool tied = false;
};

/// A chat model and what it was made from, or a file with their difference.
struct ChatVector {
  GraftModel base, chat;
  std::map<std::string, float, std::less<>>
      scales;  // by tensor of the output; one that is absent is scaled by 0
  /// Of each row of the output's vocabulary; null where all models have the same rows.
  RowMap base_rows, chat_rows;
  std::string delta = {};  // path of a file, instead of the two
};

struct GraftInputs {
  GraftModel target;
  std::vector<ChatVector> vectors;  // at least one
  /// Of each row of the output's vocabulary; null where it has the target's.
  RowMap target_rows;
  /// Rows that the target lacks (-1 in target_rows) and that are the first chat model's own; null: none.
  std::shared_ptr<const std::vector<bool>> added_rows;
  Sparsify sparsify;
};

class Graft {
 public:
  /// Opens all models and matches them by tensor name, from headers alone. Rotary `inv_freq` tables are left
  /// as the target has them. A model with a tied head lends its embedding as the head; where the target's is
  /// tied and a base or chat model has one of its own, the output gets its own.
  /// @throws what opening throws: ERR_NOT_FOUND, ERR_SAFETENSORS, ERR_SHARD_INDEX, ERR_DELTA, ERR_IO
  explicit Graft(GraftInputs inputs);
  Graft(const Graft&) = delete;  // its pieces point into the files

  /// Why it cannot run, each with a code and up to 20 tensor names: ERR_MISSING_TENSOR, ERR_SHAPE_MISMATCH,
  /// ERR_VOCABULARY, ERR_DTYPE. Empty: it can.
  const std::vector<Error>& problems() const { return problems_; }
  uint64_t bytes_to_read() const { return bytes_to_read_; }
  uint64_t bytes_to_write() const { return output_.bytes_to_write(); }
  /// The target's head is its embedding, the output's is not.
  bool unties_head() const { return unties_head_; }

  /// What the first vector adds to, tensor by tensor: chat - base of sources that live as long as this.
  struct Difference {
    std::string name;
    Source base, chat;
  };
  const std::vector<Difference>& differences() const { return differences_; }

  /// @throws ERR_INPUT_CHANGED if a file of base, chat or delta was written to since it was opened
  void check_unchanged() const;

  /// Writes the weight files (and the index of a sharded target) into an existing folder, or goes on where an
  /// earlier run of the same graft stopped.
  /// @throws the first problem, ERR_INPUT_CHANGED, ERR_IO, ERR_NO_SPACE, Cancelled
  GraftReport run(const std::string& staged_folder, Job& job, size_t num_threads = 0) const;

  /// Draws chunks of a finished output and compares them with what the inputs give.
  StreamCheck check(const std::string& folder, uint64_t max_chunks, uint64_t seed, Job& job) const;

 private:
  class Planner;

  /// What the report wants to know of a piece of the output, beside its sums.
  struct Told {
    ModuleKind kind;
    bool copied;
    uint64_t num_elements;
  };

  /// Two models, or their difference.
  struct VectorFiles {
    std::optional<checkpoint::ModelWeights> base, chat;
    std::unique_ptr<DeltaFile> delta;
  };

  std::string identity() const;
  GraftReport report_of(const StreamReport& stream) const;

  GraftInputs inputs_;
  checkpoint::ModelWeights target_;
  std::vector<VectorFiles> files_;  // of the vectors
  OutputModel output_;
  std::vector<Difference> differences_;
  std::map<std::string, Told, std::less<>> told_;  // by tensor
  std::vector<Error> problems_;
  uint64_t bytes_to_read_ = 0;
  bool unties_head_ = false;
};

}  // namespace tongueforge::merge

// The chat vector, Huang et al., ACL 2024 (arXiv 2310.04799): new = target + scale * (chat - base), streamed
// from files to files. Memory is a few chunks, whatever the models' size; the output has the target's shards,
// headers and order.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/model_weights.h"
#include "core/error.h"
#include "core/job.h"
#include "merge/graft_report.h"

namespace tongueforge::merge {

/// What the configs say of the heads: `tie_word_embeddings` of each model.
struct GraftOptions {
  bool target_tied = false, base_tied = false, chat_tied = false;
};

/// One tensor of the output.
struct GraftStep {
  checkpoint::Weight target;
  checkpoint::Weight base, chat;  // empty where the target's bytes are copied
  ModuleKind kind = ModuleKind::Other;

  bool is_copy() const { return base.info == nullptr; }
};

/// A file of the output: its tensors in the order of their data.
struct GraftFile {
  const checkpoint::WeightFile* source = nullptr;
  std::vector<GraftStep> steps;
};

/// Everything that headers can tell. Holds pointers into the three ModelWeights, which must outlive it.
struct GraftPlan {
  const checkpoint::ModelWeights* target = nullptr;
  const checkpoint::ModelWeights* base = nullptr;
  const checkpoint::ModelWeights* chat = nullptr;
  std::vector<GraftFile> files;
  uint64_t bytes_to_read = 0, bytes_to_write = 0;
  /// Why it cannot run, each with a code and up to 20 tensor names: ERR_MISSING_TENSOR, ERR_SHAPE_MISMATCH,
  /// ERR_VOCABULARY, ERR_DTYPE, ERR_TIED_HEAD. Empty: it can.
  std::vector<Error> problems;
};

/// Matches the three models by tensor name, from headers alone. Throws nothing of its own: see
/// GraftPlan::problems. Rotary `inv_freq` tables are left as the target has them. A base or chat model with a
/// tied head lends its embedding as the head.
GraftPlan plan_graft(const checkpoint::ModelWeights& target, const checkpoint::ModelWeights& base,
                     const checkpoint::ModelWeights& chat, const GraftOptions& options);

/// Writes the weight files (and the index of a sharded target) into an existing folder. Progress:
/// {done_bytes, total_bytes} counts reads and writes. Every file is brought to the disk.
/// @throws the plan's first problem, ERR_INPUT_CHANGED, ERR_IO, ERR_NO_SPACE, ERR_EXISTS, Cancelled
GraftReport run_graft(const GraftPlan& plan, const std::string& staged_folder, float scale, Job& job);

}  // namespace tongueforge::merge

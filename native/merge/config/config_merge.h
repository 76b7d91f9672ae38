// A merge as planned from a config: many models, one method, tensor by tensor, streamed from files to files.
// Which tensor is made of which stands in the options (lib/verbs/merging); here shapes and dtypes are
// checked, files laid out and the values computed.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/job.h"
#include "core/value.h"
#include "merge/config/merge_model.h"
#include "merge/config/merged_piece.h"
#include "merge/config/stand_ins.h"
#include "merge/stream/stream.h"

namespace tongueforge::merge {

struct TensorOrigin {
  size_t model = 0;  // number in ConfigMergeOptions::models
  std::string tensor;
};

struct OutputTensorOptions {
  std::string name, dtype;    // dtype as in safetensors
  std::string working_dtype;  // compat: mergekit; else empty
  std::optional<TensorOrigin> base;
  std::vector<TensorOrigin> inputs;
  std::vector<Parameters> input_parameters;
  Parameters parameters;
  std::vector<std::string> row_tensors;  // where rows move: what each model has in its place
};

struct RowOptions {
  std::vector<RowMap> maps;  // of each model
  std::shared_ptr<const StandInTable> stand_ins;
};

struct ConfigMergeOptions {
  std::string method;
  bool compat = false;
  uint64_t seed = 0;
  uint64_t max_shard_bytes = 0;
  std::vector<MergeModelOptions> models;
  std::vector<OutputTensorOptions> tensors;  // in the order in which shards are filled
  std::optional<RowOptions> rows;
  /// Differs where anything above differs but the models' files: a resumed run must have the same.
  std::string settings;
};

struct ConfigMergeReport {
  uint64_t tensors_merged = 0, tensors_copied = 0;
  uint64_t bytes_read = 0, bytes_written = 0, bytes_resumed = 0;
  uint64_t num_nonfinite = 0;
};

/// {tensors_merged, tensors_copied, bytes_read, bytes_written, bytes_resumed, nonfinite}
Value to_value(const ConfigMergeReport& report);

class ConfigMerge {
 public:
  /// Opens all models and plans from headers alone.
  /// @throws what opening throws: ERR_NOT_FOUND, ERR_SAFETENSORS, ERR_SHARD_INDEX, ERR_IO
  explicit ConfigMerge(const ConfigMergeOptions& options);
  ConfigMerge(const ConfigMerge&) = delete;  // its pieces point into the models

  /// Why it cannot run, each with a code and up to 20 tensor names: ERR_MISSING_TENSOR, ERR_SHAPE_MISMATCH,
  /// ERR_DTYPE, and what an adapter has against its model. Empty: it can.
  const std::vector<Error>& problems() const { return problems_; }
  uint64_t bytes_to_read() const { return bytes_to_read_; }
  uint64_t bytes_to_write() const { return output_.bytes_to_write(); }
  uint64_t num_shards() const { return output_.files.size(); }
  /// The most that run() takes: whole tensors, for methods that take such.
  uint64_t peak_memory_bytes(size_t num_threads) const;
  const OutputModel& output() const { return output_; }

  /// Writes the weight files (and an index for several) into an existing folder, brought to the disk, or goes
  /// on with what an interrupted run left there. Progress: {done_bytes, total_bytes} counts reads and writes.
  /// @param num_threads 0: as StreamOptions says
  /// @throws the first problem, ERR_INPUT_CHANGED, ERR_IO, ERR_NO_SPACE, Cancelled
  ConfigMergeReport run(const std::string& staged_folder, Job& job, size_t num_threads) const;

  /// Compares a result with what its inputs give; see check_stream.
  StreamCheck check(const std::string& folder, uint64_t max_chunks, uint64_t seed, Job& job) const;

 private:
  class Planner;

  std::string identity_;  // all that decides the bytes
  std::vector<MergeModel> models_;
  std::vector<Error> problems_;
  OutputModel output_;
  uint64_t bytes_to_read_ = 0, tensors_copied_ = 0, num_tensors_ = 0;
};

}  // namespace tongueforge::merge

// Writes safetensors files: the header is planned first, then every tensor goes to its final place in any
// order.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/posix_file.h"
#include "checkpoint/safetensors_header.h"

namespace tongueforge::checkpoint {

/// A tensor that is going to be written.
struct TensorSpec {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
};

enum class TensorOrder {
  Reference,  // as the reference writer: widest type first, then by name, so that all data is aligned
  AsGiven,    // header and data in the order of the list
};

/// The file to be written: its first bytes and where each tensor will lie.
struct FilePlan {
  std::string header;               // length, text and padding: a multiple of 8 bytes
  std::vector<TensorInfo> tensors;  // in the order of header and data
  uint64_t data_bytes = 0;
  uint64_t file_size() const { return header.size() + data_bytes; }
};

/// @throws ERR_SAFETENSORS {reason, tensor} for names or shapes that our own reader would refuse
FilePlan plan_file(const std::vector<TensorSpec>& tensors, const Metadata& metadata,
                   TensorOrder order = TensorOrder::Reference);

/// Creates a file of its full size at once, so that a full disk is met before the work and not after.
class SafetensorsWriter {
 public:
  /// @throws ERR_EXISTS, ERR_NO_SPACE, ERR_IO
  SafetensorsWriter(const std::string& path, FilePlan plan);

  const FilePlan& plan() const { return plan_; }

  /// A whole tensor, by name: num_bytes must be its size.
  void write(std::string_view name, const void* data, uint64_t num_bytes);

  /// Bytes [offset, offset + count) of a tensor of the plan. Each byte is to be written once.
  void write_range(const TensorInfo& tensor, uint64_t offset, const void* data, uint64_t count);

  /// Syncs and closes. @throws ERR_INTERNAL if not all bytes were written
  void finish();

 private:
  FilePlan plan_;
  PosixFile file_;
  uint64_t bytes_written_ = 0;
};

/// One file of a model folder.
struct Shard {
  std::string file_name;  // "model-00001-of-00003.safetensors"
  FilePlan plan;
};

/// All weight files of a model folder.
struct ShardPlan {
  std::vector<Shard> shards;
  std::string index_json;  // for model.safetensors.index.json; empty where one file holds all
  uint64_t total_size = 0;
};

/// Which file holds a tensor.
struct IndexRow {
  std::string tensor, file;
};

/// The text of model.safetensors.index.json: rows by name, indented by two, as transformers writes it.
std::string index_json(std::vector<IndexRow> rows, uint64_t total_size);

/// Fills shards in the order of the list; one larger tensor gets a shard of its own.
/// A model that fits one shard is "model.safetensors" without an index.
ShardPlan plan_shards(const std::vector<TensorSpec>& tensors, const Metadata& metadata,
                      uint64_t max_shard_bytes);

}  // namespace tongueforge::checkpoint

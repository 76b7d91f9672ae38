// The weights of a model folder, whether they lie in one file or in shards.
//
// Where model.safetensors and model.safetensors.index.json both exist, the single file wins, as in
// transformers. Links are followed (the hub's cache is made of links); an index may only name files of its
// own folder.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/safetensors.h"

namespace tongueforge::checkpoint {

inline constexpr const char* kSingleFileName = "model.safetensors";
inline constexpr const char* kIndexFileName = "model.safetensors.index.json";

/// A weight file of the folder.
struct WeightFile {
  std::string name;       // as in the folder: "model-00001-of-00003.safetensors"
  std::string real_path;  // after links
  SafetensorsFile file;
};

/// A tensor and the file that holds it. Pointers live as long as the ModelWeights, also when it is moved.
struct Weight {
  const TensorInfo* info = nullptr;
  const SafetensorsFile* file = nullptr;

  const std::string& name() const { return info->name; }
  DType dtype() const { return info->dtype; }
  const std::vector<int64_t>& shape() const { return info->shape; }
  uint64_t num_bytes() const { return info->num_bytes(); }
  void read(void* dst) const { file->read(*info, dst); }
  void read_range(uint64_t offset, uint64_t count, void* dst) const {
    file->read_range(*info, offset, count, dst);
  }
};

class ModelWeights {
 public:
  /// Opens every weight file of a folder and checks headers and index against each other.
  /// @throws ERR_NOT_FOUND (no such folder, a hub id, only pickle files), ERR_SHARD_INDEX {file, offset,
  /// reason, tensor?},
  ///   ERR_SAFETENSORS, ERR_IO
  static ModelWeights open(const std::string& folder);

  const std::string& folder() const { return folder_; }
  bool is_sharded() const { return sharded_; }

  /// In the order of their names.
  const std::vector<WeightFile>& files() const { return files_; }

  /// All tensors, file by file, in header order.
  const std::vector<Weight>& tensors() const { return tensors_; }

  /// The tensor of this name, or nullptr.
  const Weight* find(std::string_view name) const;

  /// The tensor of this name. @throws ERR_MISSING_TENSOR
  const Weight& at(std::string_view name) const;

  /// Bytes of all tensors, without headers.
  uint64_t total_bytes() const { return total_bytes_; }

  /// @throws ERR_INPUT_CHANGED if any file was written to since it was opened
  void check_unchanged() const;

 private:
  void collect();
  std::string folder_;
  bool sharded_ = false;
  std::vector<WeightFile> files_;
  std::vector<Weight> tensors_;
  std::vector<uint32_t> by_name_;
  uint64_t total_bytes_ = 0;
};

}  // namespace tongueforge::checkpoint

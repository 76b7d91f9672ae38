// Files of torch that are open together, for JavaScript to hold by one handle.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "checkpoint/torch_file.h"
#include "core/job.h"
#include "core/value.h"

namespace tongueforge::convert {

class TorchSource final : public Object {
 public:
  /// @throws as TorchFile::open, Cancelled
  static std::shared_ptr<TorchSource> open(const std::vector<std::string>& paths, Job& job);

  std::vector<checkpoint::TorchFile>& files() { return files_; }
  /// Held by whoever reads: files remember which checksums they have compared.
  std::mutex& reading() { return reading_; }
  int64_t bytes() const override;

 private:
  std::vector<checkpoint::TorchFile> files_;
  std::mutex reading_;
};

/// What a file holds: {tree, tensors: {id, path, dtype, shape, bytes}[], left_out: names[]}. The tree has
/// nothing where tensors are, and text for every key; `path` are the keys to a tensor from the top. Tensors
/// that are the same view of the same storage share an `id`.
Value describe(const checkpoint::TorchFile& file);

}  // namespace tongueforge::convert

// Labels of the frames of many utterances in one safetensors file, written as they come: a tensor of int32 an
// utterance.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "checkpoint/safetensors_writer.h"
#include "clusters/nearest.h"
#include "core/job.h"
#include "core/value.h"

namespace tongueforge::clusters {

/// How many labels an utterance will have.
struct LabelCount {
  std::string name;
  int64_t labels = 0;
};

class LabelFile final : public Object {
 public:
  /// Makes the file with all its room. @throws ERR_EXISTS, ERR_NO_SPACE, ERR_IO, ERR_SAFETENSORS for names
  /// that cannot be
  LabelFile(const std::string& path, const std::vector<LabelCount>& utterances, int64_t clusters);

  /// Labels frames (T, D) of an utterance, every `stride`-th from the first on. Each utterance once;
  /// `counted`: into the counts and distances below.
  /// @throws ERR_INPUT_CHANGED where they are not as many as was said
  void add(const std::string& name, std::span<const float> frames, const Centres& centres, int64_t stride,
           bool counted, Job& job);

  /// Brings the file to its end. @throws ERR_INTERNAL if an utterance is missing
  void finish() { writer_.finish(); }

  /// Of what was counted: how often each label was written, (K), and the sum of squared distances.
  const std::vector<int64_t>& counts() const { return counts_; }
  double distances() const { return distances_; }

  int64_t bytes() const override { return 0; }

 private:
  checkpoint::SafetensorsWriter writer_;
  std::unordered_map<std::string, const checkpoint::TensorInfo*> tensors_;
  std::vector<int64_t> counts_;
  double distances_ = 0;
};

/// centres (K, D) as the tensor "centroids" of a file. @throws ERR_EXISTS, ERR_NO_SPACE, ERR_IO
void write_centres(const std::string& path, const Centres& centres);

/// The centres of such a file. @throws ERR_NOT_FOUND, ERR_IO, ERR_SAFETENSORS
Centres read_centres(const std::string& path);

}  // namespace tongueforge::clusters

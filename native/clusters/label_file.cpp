#include "clusters/label_file.h"

#include <utility>

#include "checkpoint/safetensors.h"
#include "core/error.h"

namespace tongueforge::clusters {
namespace {

constexpr const char* kCentroids = "centroids";

std::vector<checkpoint::TensorSpec> specs_of(const std::vector<LabelCount>& utterances) {
  std::vector<checkpoint::TensorSpec> specs;
  for (const auto& [name, labels] : utterances) specs.push_back({name, DType::I32, {labels}});
  return specs;
}

}  // namespace

LabelFile::LabelFile(const std::string& path, const std::vector<LabelCount>& utterances, int64_t clusters)
    : writer_(path, checkpoint::plan_file(specs_of(utterances), {})), counts_(static_cast<size_t>(clusters)) {
  for (const auto& tensor : writer_.plan().tensors) tensors_.emplace(tensor.name, &tensor);
}

void LabelFile::add(const std::string& name, std::span<const float> frames, const Centres& centres,
                    int64_t stride, bool counted, Job& job) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw Error("ERR_INTERNAL", "labels of an utterance that was not announced");
  const auto count = static_cast<int64_t>(frames.size()) / centres.width();
  const int64_t expected = found->second->shape[0], received = (count + stride - 1) / stride;
  if (received != expected)
    throw Error("ERR_INPUT_CHANGED",
                str(name, ": expected ", expected, " labels, as its head says, received ", received),
                "Wait until nobody writes the file, then run again.");
  std::vector<int32_t> labels(static_cast<size_t>(count)), kept;
  std::vector<double> distances(static_cast<size_t>(count));
  centres.nearest(frames, labels.data(), distances.data(), job);
  for (int64_t t = 0; t < count; t += stride) {
    kept.push_back(labels[t]);
    if (!counted) continue;
    counts_[labels[t]]++;
    distances_ += distances[t];
  }
  writer_.write(name, kept.data(), kept.size() * sizeof(int32_t));
}

void write_centres(const std::string& path, const Centres& centres) {
  checkpoint::SafetensorsWriter writer(
      path, checkpoint::plan_file({{kCentroids, DType::F32, {centres.count(), centres.width()}}}, {}));
  writer.write(kCentroids, centres.values().data(), centres.values().size() * sizeof(float));
  writer.finish();
}

Centres read_centres(const std::string& path) {
  const auto file = checkpoint::SafetensorsFile::open(path);
  const auto* tensor = file.find(kCentroids);
  if (!tensor || tensor->dtype != DType::F32 || tensor->shape.size() != 2 || tensor->num_bytes() == 0)
    throw Error("ERR_CHECKPOINT",
                str(path, ": expected a tensor \"centroids\" (clusters, width) of F32, received none"),
                "Give a folder that `tongueforge clusters` wrote.", {{"file", path}});
  std::vector<float> values(static_cast<size_t>(tensor->num_elements()));
  file.read(*tensor, values.data());
  return {std::move(values), tensor->shape[1]};
}

}  // namespace tongueforge::clusters

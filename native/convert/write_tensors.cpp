#include "convert/write_tensors.h"

#include <cstring>
#include <map>

#include "checkpoint/json_text.h"
#include "checkpoint/model_weights.h"
#include "checkpoint/safetensors_writer.h"
#include "core/error.h"

namespace tongueforge::convert {
namespace {

using checkpoint::PickleTensor;
using checkpoint::SafetensorsWriter;
using checkpoint::TensorInfo;

const PickleTensor& tensor_of(TorchSource& source, size_t file, size_t id) {
  if (file < source.files().size() && id < source.files()[file].tree().tensors.size())
    return source.files()[file].tree().tensors[id];
  throw Error("ERR_INTERNAL",
              str("Expected a tensor of the source, received number ", id, " of file ", file));
}

/// What the tensors of a result are made of, and how far the work has come.
class Writing {
 public:
  Writing(TorchSource& source, uint64_t total_bytes, Job& job)
      : source_(source), total_bytes_(total_bytes), job_(job) {}

  void write(const ConvertedTensor& tensor, const TensorInfo& info, SafetensorsWriter& writer) {
    if (tensor.mask) return write_masked(tensor, info, writer);
    read(tensor.file, tensor.tensor, [&](uint64_t offset, const void* bytes, uint64_t count) {
      writer.write_range(info, offset, bytes, count);
      written(count);
    });
  }

  const ConvertStatistics& statistics() const { return statistics_; }

 private:
  void read(size_t file, size_t id, const checkpoint::TorchFile::Sink& sink) {
    const PickleTensor& tensor = tensor_of(source_, file, id);
    source_.files()[file].read(tensor, job_, sink);
    statistics_.bytes_read += tensor.num_bytes();
  }

  std::vector<float> read_floats(const ConvertedTensor& tensor, size_t id) {
    std::vector<float> values(tensor_of(source_, tensor.file, id).num_elements());
    read(tensor.file, id, [&](uint64_t offset, const void* bytes, uint64_t count) {
      std::memcpy(reinterpret_cast<char*>(values.data()) + offset, bytes, count);
    });
    return values;
  }

  /// As torch.nn.utils.prune.remove does it: one product, so that a negative weight leaves -0.
  void write_masked(const ConvertedTensor& tensor, const TensorInfo& info, SafetensorsWriter& writer) {
    check_mask(tensor);
    std::vector<float> values = read_floats(tensor, tensor.tensor);
    const std::vector<float> mask = read_floats(tensor, *tensor.mask);
    for (size_t i = 0; i < values.size(); ++i) values[i] *= mask[i];
    writer.write_range(info, 0, values.data(), info.num_bytes());
    written(info.num_bytes());
  }

  void check_mask(const ConvertedTensor& tensor) const {
    const PickleTensor& values = tensor_of(source_, tensor.file, tensor.tensor);
    const PickleTensor& mask = tensor_of(source_, tensor.file, *tensor.mask);
    const checkpoint::PickleTensor* const both[] = {&values, &mask};
    for (const PickleTensor* one : both)
      if (one->dtype != DType::F32)
        throw Error("ERR_DTYPE",
                    str(checkpoint::printable(tensor.name),
                        ": expected a weight and its mask in F32, received ", dtype_name(one->dtype)),
                    "Make the mask permanent with torch.nn.utils.prune.remove and save it again.",
                    {{"tensor", checkpoint::printable(tensor.name)}});
    if (values.shape != mask.shape)
      throw Error("ERR_SHAPE_MISMATCH",
                  str(checkpoint::printable(tensor.name), ": expected a mask of the weight's own shape"),
                  "The file contradicts itself: fetch it again.",
                  {{"tensor", checkpoint::printable(tensor.name)}});
  }

  void written(uint64_t count) {
    job_.check();
    statistics_.bytes_written += count;
    job_.progress(Value::Map{{"done_bytes", statistics_.bytes_written}, {"total_bytes", total_bytes_}});
  }

  TorchSource& source_;
  uint64_t total_bytes_;
  Job& job_;
  ConvertStatistics statistics_;
};

}  // namespace

ConvertStatistics write_tensors(TorchSource& source, const std::vector<ConvertedTensor>& tensors,
                                const std::string& folder, uint64_t max_shard_bytes, Job& job) {
  const std::lock_guard reading(source.reading());
  std::vector<checkpoint::TensorSpec> specs;
  std::map<std::string, const ConvertedTensor*> by_name;
  for (const auto& tensor : tensors) {
    const PickleTensor& from = tensor_of(source, tensor.file, tensor.tensor);
    specs.push_back({tensor.name, from.dtype, from.shape});
    by_name[tensor.name] = &tensor;
  }
  const auto plan = checkpoint::plan_shards(specs, {{"format", "pt"}}, max_shard_bytes);
  Writing writing(source, plan.total_size, job);
  for (const auto& shard : plan.shards) {
    SafetensorsWriter writer(folder + "/" + shard.file_name, shard.plan);
    for (const auto& info : writer.plan().tensors) writing.write(*by_name.at(info.name), info, writer);
    writer.finish();
  }
  if (!plan.index_json.empty())
    checkpoint::write_file(folder + "/" + checkpoint::kIndexFileName, plan.index_json);
  for (const auto& file : source.files()) file.check_unchanged();
  ConvertStatistics statistics = writing.statistics();
  statistics.num_files = plan.shards.size();
  return statistics;
}

}  // namespace tongueforge::convert

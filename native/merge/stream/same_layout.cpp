#include "merge/stream/same_layout.h"

#include <algorithm>
#include <filesystem>

#include "checkpoint/shard_index.h"

namespace tongueforge::merge {
namespace {

using checkpoint::TensorInfo;
using checkpoint::TensorSpec;
using checkpoint::Weight;

bool is_same(const TensorSpec& spec, const TensorInfo& info) {
  return spec.name == info.name && spec.dtype == info.dtype && spec.shape == info.shape;
}

/// A file under way: what it holds, and whether it still is what the source has.
struct File {
  std::vector<NewTensor> tensors;
  std::vector<uint64_t> begins;  // where the source has them
  bool same = true;
};

File tensors_of(const checkpoint::SafetensorsFile& source,
                const std::function<NewTensor(const Weight&)>& make) {
  std::vector<const TensorInfo*> infos;
  for (const TensorInfo& info : source.tensors()) infos.push_back(&info);
  std::stable_sort(infos.begin(), infos.end(),
                   [](const TensorInfo* a, const TensorInfo* b) { return a->begin < b->begin; });
  File file;
  for (const TensorInfo* info : infos) {
    file.tensors.push_back(make({info, &source}));
    file.begins.push_back(info->begin);
    file.same = file.same && is_same(file.tensors.back().spec, *info);
  }
  return file;
}

StreamFile lay_out(File file, const checkpoint::WeightFile& source) {
  StreamFile out{source.name, {}, source.file.file_size(), {}};
  if (file.same) {
    out.header = source.file.read_header_bytes();
  } else {
    std::vector<TensorSpec> specs;
    for (const NewTensor& tensor : file.tensors) specs.push_back(tensor.spec);
    auto plan = checkpoint::plan_file(specs, source.file.metadata(), checkpoint::TensorOrder::AsGiven);
    file.begins.clear();
    for (const TensorInfo& info : plan.tensors) file.begins.push_back(info.begin);
    out.size = plan.file_size();
    out.header = std::move(plan.header);
  }
  for (size_t i = 0; i < file.tensors.size(); ++i) {
    NewTensor& tensor = file.tensors[i];
    out.pieces.push_back({tensor.spec.name, out.header.size() + file.begins[i], std::move(tensor.piece)});
  }
  return out;
}

std::string source_index(const checkpoint::ModelWeights& source) {
  const auto path = std::filesystem::path(source.folder()) / checkpoint::kIndexFileName;
  return checkpoint::read_file(path.string(), checkpoint::kMaxIndexBytes);
}

std::string new_index(const OutputModel& model) {
  std::vector<checkpoint::IndexRow> rows;
  uint64_t total_size = 0;
  for (const StreamFile& file : model.files) {
    for (const PlacedPiece& placed : file.pieces) rows.push_back({placed.name, file.name});
    total_size += file.size - file.header.size();
  }
  return checkpoint::index_json(std::move(rows), total_size);
}

}  // namespace

OutputModel with_layout_of(const checkpoint::ModelWeights& source,
                           const std::function<NewTensor(const Weight&)>& make,
                           std::vector<NewTensor> added) {
  OutputModel model;
  bool same = added.empty();
  for (const checkpoint::WeightFile& weights : source.files()) {
    File file = tensors_of(weights.file, make);
    if (&weights == &source.files().back()) {
      file.same = file.same && added.empty();
      for (NewTensor& tensor : added) file.tensors.push_back(std::move(tensor));
    }
    same = same && file.same;
    model.files.push_back(lay_out(std::move(file), weights));
  }
  if (source.is_sharded()) model.index_json = same ? source_index(source) : new_index(model);
  return model;
}

}  // namespace tongueforge::merge

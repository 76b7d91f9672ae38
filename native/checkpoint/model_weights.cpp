#include "checkpoint/model_weights.h"

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "checkpoint/json_text.h"
#include "checkpoint/shard_index.h"
#include "core/error.h"

namespace fs = std::filesystem;

namespace tongueforge::checkpoint {
namespace {

std::string join(const std::string& folder, const std::string& name) {
  return (fs::path(folder) / name).string();
}

/// Also true for a link to nowhere: opening it then says what is wrong.
bool entry_exists(const std::string& path) {
  std::error_code ignored;
  return fs::symlink_status(path, ignored).type() != fs::file_type::not_found;
}

/// "org/name", and nothing else that a path could look like.
bool looks_like_hub_id(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == text.size() || text.front() == '.')
    return false;
  const auto ok = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  };
  return std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(slash), ok) &&
         std::all_of(text.begin() + static_cast<std::ptrdiff_t>(slash) + 1, text.end(), ok);
}

void check_folder(const std::string& folder) {
  std::error_code ignored;
  if (fs::is_directory(folder, ignored)) return;
  if (entry_exists(folder)) {
    throw Error("ERR_NOT_FOUND", str("Expected a model folder, received a file: ", folder),
                "Give the folder that holds config.json and model.safetensors.", {{"file", folder}});
  }
  if (looks_like_hub_id(folder)) {
    const std::string name = folder.substr(folder.find('/') + 1);
    throw Error(
        "ERR_NOT_FOUND", str("Expected a model folder, received what looks like a hub id: ", folder),
        str("Download it first: hf download ", folder, " --local-dir ", name, ", then give ", name, "."),
        {{"file", folder}});
  }
  throw Error("ERR_NOT_FOUND", str("There is no model folder at ", folder), "Check the path.",
              {{"file", folder}});
}

bool is_pickle(const fs::path& name) {
  const std::string ext = name.extension().string();
  return ext == ".bin" || ext == ".pt" || ext == ".pth" || ext == ".ckpt" || ext == ".pkl";
}

/// The folder has neither a single file nor an index: says what it has instead.
[[noreturn]] void refuse_folder(const std::string& folder) {
  std::string pickles, others;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const fs::path name = entry.path().filename();
    if (is_pickle(name)) pickles += " " + name.string();
    if (name.extension() == ".safetensors") others += " " + name.string();
  }
  const ErrorDetails details = {{"file", folder}};
  const std::string expected = str("Expected ", kSingleFileName, " or ", kIndexFileName, " in ", folder);
  if (!others.empty()) {
    throw Error("ERR_NOT_FOUND", str(expected, ", received only", printable(others)),
                str("Rename a single file to ", kSingleFileName, "; several need their index."), details);
  }
  if (!pickles.empty()) {
    throw Error("ERR_NOT_FOUND",
                str(expected,
                    ", received pickle files, which can run code when they are opened:", printable(pickles)),
                str("Convert them without running them: tongueforge convert ", folder, " --out NEW_FOLDER"),
                details);
  }
  throw Error("ERR_NOT_FOUND", str(expected, ", received neither"), "Check that the download is complete.",
              details);
}

WeightFile open_weight_file(const std::string& folder, const std::string& name) {
  const std::string path = join(folder, name);
  SafetensorsFile file = SafetensorsFile::open(path);
  return {name, fs::canonical(path).string(), std::move(file)};
}

WeightFile open_shard(const std::string& folder, const std::string& name, const std::string& index_path) {
  if (!entry_exists(join(folder, name))) {
    refuse_index(index_path, 0, "missing_shard",
                 str("expected the file ", name, " beside the index, it is not there"));
  }
  return open_weight_file(folder, name);
}

/// Index and shards must tell the same story, in both directions.
void check_against_index(const std::vector<WeightFile>& files, const ShardIndex& index,
                         const std::string& path) {
  uint64_t total = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    for (const TensorInfo& tensor : files[i].file.tensors()) {
      total += tensor.num_bytes();
      const ShardIndexEntry* entry = index.find(tensor.name);
      if (!entry)
        refuse_index(path, 0, "tensor_not_in_index", str("expected every tensor of ", files[i].name),
                     tensor.name);
      if (entry->file != i) {
        refuse_index(path, entry->offset, "tensor_in_other_shard",
                     str("expected it in ", index.files[entry->file], " only, found it in ", files[i].name),
                     tensor.name);
      }
    }
  }
  for (const ShardIndexEntry& entry : index.entries) {
    if (files[entry.file].file.find(entry.tensor)) continue;
    refuse_index(path, entry.offset, "tensor_not_in_shard", str("expected it in ", index.files[entry.file]),
                 entry.tensor);
  }
  if (index.total_size && *index.total_size != total) {
    refuse_index(
        path, index.total_size_offset, "total_size_mismatch",
        str("expected a total_size of ", total, " bytes as the shards have, received ", *index.total_size));
  }
}

}  // namespace

ModelWeights ModelWeights::open(const std::string& folder) {
  check_folder(folder);
  ModelWeights weights;
  weights.folder_ = folder;
  const std::string index_path = join(folder, kIndexFileName);
  if (entry_exists(join(folder, kSingleFileName))) {
    weights.files_.push_back(open_weight_file(folder, kSingleFileName));
  } else if (entry_exists(index_path)) {
    weights.sharded_ = true;
    const ShardIndex index = parse_shard_index(read_file(index_path, kMaxIndexBytes), index_path);
    for (const std::string& name : index.files)
      weights.files_.push_back(open_shard(folder, name, index_path));
    check_against_index(weights.files_, index, index_path);
  } else {
    refuse_folder(folder);
  }
  weights.collect();
  return weights;
}

void ModelWeights::collect() {
  for (const WeightFile& weight_file : files_) {
    for (const TensorInfo& tensor : weight_file.file.tensors()) {
      tensors_.push_back({&tensor, &weight_file.file});
      total_bytes_ += tensor.num_bytes();
    }
  }
  by_name_.resize(tensors_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0u);
  std::sort(by_name_.begin(), by_name_.end(),
            [&](uint32_t a, uint32_t b) { return tensors_[a].name() < tensors_[b].name(); });
}

const Weight* ModelWeights::find(std::string_view name) const {
  const auto less = [&](uint32_t i, std::string_view wanted) { return tensors_[i].name() < wanted; };
  const auto it = std::lower_bound(by_name_.begin(), by_name_.end(), name, less);
  return it == by_name_.end() || tensors_[*it].name() != name ? nullptr : &tensors_[*it];
}

const Weight& ModelWeights::at(std::string_view name) const {
  if (const Weight* weight = find(name)) return *weight;
  throw Error("ERR_MISSING_TENSOR",
              str("Expected the tensor ", printable(name), " in ", folder_, ", it is not there"),
              "Check that config.json and the weights belong together.",
              {{"file", folder_}, {"tensor", printable(name)}});
}

void ModelWeights::check_unchanged() const {
  for (const WeightFile& weight_file : files_) weight_file.file.check_unchanged();
}

}  // namespace tongueforge::checkpoint

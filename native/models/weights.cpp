#include "models/weights.h"

#include <algorithm>
#include <map>
#include <set>

#include "checkpoint/model_weights.h"
#include "checkpoint/safetensors_writer.h"
#include "core/error.h"
#include "kernels/aten.h"
#include "kernels/weight_memory.h"
#include "models/packed_weights.h"
#include "nn/quantized_execution.h"

namespace tongueforge::models {
namespace {

struct TypePair {
  DType file;
  at::ScalarType torch;
};
constexpr TypePair kTypes[] = {
    {DType::BOOL, at::kBool},  {DType::U8, at::kByte},       {DType::I8, at::kChar},
    {DType::I16, at::kShort},  {DType::I32, at::kInt},       {DType::I64, at::kLong},
    {DType::F16, at::kHalf},   {DType::BF16, at::kBFloat16}, {DType::F32, at::kFloat},
    {DType::F64, at::kDouble},
};

std::string first_names(const std::vector<std::string>& names) {
  std::string listed;
  for (size_t i = 0; i < std::min<size_t>(names.size(), 20); i++) listed += (i ? ", " : "") + names[i];
  return names.size() > 20 ? str(listed, " and ", names.size() - 20, " more") : listed;
}

/// Gives the names that the model has no place for, though files of its family may hold them.
std::vector<std::string> check_names(const checkpoint::ModelWeights& weights, const NamedWeights& named,
                                     const std::vector<Parameter>& parameters, const Model& model) {
  std::vector<std::string> missing, unexpected, unread;
  std::set<std::string> expected;
  for (const auto& parameter : parameters) {
    const auto stored = stored_names(named, parameter);
    expected.insert(stored.begin(), stored.end());
    for (const auto& name : stored)
      if (!named.find(name)) missing.push_back(name);
  }
  for (const auto& [copy, original] : model.tied_copies()) expected.insert(copy);
  for (const auto& name : named.names()) {
    if (expected.contains(name) || model.is_derived(name)) continue;
    (model.is_of_another_head(name) ? unread : unexpected).push_back(name);
  }
  if (!missing.empty())
    throw Error("ERR_MISSING_TENSOR", str(weights.folder(), " lacks ", first_names(missing)),
                "Is the download complete, and does config.json belong to these weights?",
                {{"folder", weights.folder()}});
  if (!unexpected.empty())
    throw Error("ERR_UNEXPECTED_TENSOR",
                str(weights.folder(), " holds tensors unknown to its config.json: ", first_names(unexpected)),
                "Check model_type, num_hidden_layers and the bias options of config.json.",
                {{"folder", weights.folder()}});
  return unread;
}

at::Tensor read_parameter(const NamedWeights& named, const Parameter& parameter, const Job& job) {
  const auto& weight = *named.find(parameter.name);
  check_shape(parameter, weight.shape(), weight.file->path());
  return read_tensor(*weight.file, *weight.info, job);
}

at::Tensor placed(const at::Tensor& stored, at::Device device, at::ScalarType dtype) {
  if (!device.is_cpu()) return stored.to(device, dtype);
  return kernels::empty_weight(stored.sizes(), dtype).copy_(stored);
}

// What is stored beside the tensor it is tied to must be the same, or one of the two is lost in silence.
void check_tied_copy(const std::string& folder, const NamedWeights& named, const TiedCopy& tied,
                     const at::Tensor& original, Job& job) {
  const auto* stored = named.find(tied.copy);
  if (!stored) return;
  const auto copy = read_tensor(*stored->file, *stored->info, job);
  if (copy.sizes() == original.sizes() && copy.equal(original)) return;
  throw Error("ERR_TIED_WEIGHTS",
              str(folder, " ties ", tied.copy, " to ", tied.original, ", but stores a different one"),
              "Set tie_word_embeddings to false in config.json if the stored one is right.");
}

}  // namespace

at::ScalarType scalar_type(DType dtype, const std::string& tensor) {
  for (const auto& type : kTypes)
    if (type.file == dtype) return type.torch;
  throw Error("ERR_SAFETENSORS",
              str("Tensor ", tensor, " has dtype ", dtype_name(dtype), ", which is not supported here"),
              "Supported: F64, F32, F16, BF16 and integers.");
}

DType dtype_of(at::ScalarType torch_type) {
  for (const auto& type : kTypes)
    if (type.torch == torch_type) return type.file;
  throw Error("ERR_INTERNAL", "A tensor of a type that safetensors does not know");
}

at::ScalarType scalar_type_from_name(const std::string& name) {
  static const std::map<std::string, at::ScalarType> kNames = {
      {"float32", at::kFloat}, {"bfloat16", at::kBFloat16}, {"float16", at::kHalf}};
  if (auto it = kNames.find(name); it != kNames.end()) return it->second;
  throw Error("ERR_USAGE", str("Expected dtype float32, bfloat16 or float16, received '", name, "'"));
}

void load_weights(Model& model, const std::string& folder, std::optional<at::ScalarType> dtype,
                  at::Device device, Job& job, const std::set<std::string>& in_float32,
                  const std::optional<nn::Packing>& packing) {
  const auto weights = checkpoint::ModelWeights::open(folder);
  const NamedWeights named(weights, model);
  model.fit_to(named.names());
  const auto parameters = model.parameters();
  const auto tied_copies = model.tied_copies();
  const auto unread = check_names(weights, named, parameters, model);
  if (!unread.empty()) job.emit(Value::Map{{"unread", Value::List(unread.begin(), unread.end())}});
  int64_t done = 0;
  for (const auto& parameter : parameters) {
    std::shared_ptr<const nn::Quantized> numbers;
    if (is_packed(named, parameter))
      numbers = std::make_shared<const nn::Quantized>(read_packed(named, parameter, packing, job));
    const auto stored = numbers ? numbers->dense() : read_parameter(named, parameter, job);
    for (const auto& tied : tied_copies)
      if (tied.original == parameter.name) check_tied_copy(folder, named, tied, stored, job);
    const auto type = in_float32.contains(parameter.name) ? at::kFloat : dtype.value_or(stored.scalar_type());
    *parameter.tensor = placed(stored, device, type);
    if (numbers)
      parameter.linear->execution = std::make_shared<nn::QuantizedExecution>(numbers, *parameter.tensor);
    for (const auto& name : stored_names(named, parameter))
      done += static_cast<int64_t>(named.find(name)->num_bytes());
    job.progress(Value::Map{{"done_bytes", done}, {"total_bytes", weights.total_bytes()}});
  }
  weights.check_unchanged();
}

void check_weights(Model& model, const std::string& folder) {
  const auto weights = checkpoint::ModelWeights::open(folder);
  const NamedWeights named(weights, model);
  model.fit_to(named.names());
  const auto parameters = model.parameters();
  check_names(weights, named, parameters, model);
  for (const auto& parameter : parameters) {
    if (is_packed(named, parameter)) continue;
    const auto& weight = *named.find(parameter.name);
    check_shape(parameter, weight.shape(), weight.file->path());
  }
}

int64_t save_weights(const Model& model, const std::string& folder, at::ScalarType dtype,
                     int64_t max_shard_bytes, Job& job) {
  std::vector<checkpoint::TensorSpec> specs;
  std::map<std::string, at::Tensor> tensors;
  for (const auto& parameter : model.parameters())
    for (const auto& [spec, tensor] : stored_tensors(parameter, dtype)) {
      specs.push_back(spec);
      tensors[spec.name] = tensor;
    }
  const auto plan = checkpoint::plan_shards(specs, {{"format", "pt"}}, max_shard_bytes);
  int64_t done = 0;
  for (const auto& shard : plan.shards) {
    checkpoint::SafetensorsWriter writer(folder + "/" + shard.file_name, shard.plan);
    for (const auto& info : shard.plan.tensors) {
      job.check();
      const auto tensor =
          tensors.at(info.name).detach().to(at::kCPU, scalar_type(info.dtype, info.name)).contiguous();
      writer.write(info.name, tensor.data_ptr(), info.num_bytes());
      done += static_cast<int64_t>(info.num_bytes());
      job.progress(Value::Map{{"done_bytes", done}, {"total_bytes", plan.total_size}});
    }
    writer.finish();
  }
  if (!plan.index_json.empty())
    checkpoint::write_file(folder + "/" + checkpoint::kIndexFileName, plan.index_json);
  return done;
}

void save_tensors(const std::string& path, const std::vector<NamedTensor>& tensors, Job& job) {
  std::vector<checkpoint::TensorSpec> specs;
  for (const auto& [name, tensor] : tensors)
    specs.push_back({name, dtype_of(tensor.scalar_type()), tensor.sizes().vec()});
  checkpoint::SafetensorsWriter writer(path, checkpoint::plan_file(specs, {{"format", "pt"}}));
  for (const auto& [name, tensor] : tensors) {
    job.check();
    const auto plain = tensor.detach().cpu().contiguous();
    writer.write(name, plain.data_ptr(), plain.nbytes());
  }
  writer.finish();
}

std::vector<NamedTensor> load_tensors(const std::string& path, Job& job) {
  const auto file = checkpoint::SafetensorsFile::open(path);
  std::vector<NamedTensor> all;
  for (const auto& info : file.tensors()) all.emplace_back(info.name, read_tensor(file, info, job));
  return all;
}

}  // namespace tongueforge::models

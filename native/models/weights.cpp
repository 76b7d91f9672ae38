#include "models/weights.h"

#include <algorithm>
#include <map>
#include <set>

#include "checkpoint/model_weights.h"
#include "checkpoint/safetensors_writer.h"
#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::models {
namespace {

constexpr int64_t kBlock = 32 << 20;  // bytes between two looks at the cancel flag

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

at::Tensor read_tensor(const checkpoint::SafetensorsFile& file, const checkpoint::TensorInfo& info,
                       const Job& job) {
  auto tensor = at::empty(info.shape, scalar_type(info.dtype, info.name));
  auto* bytes = static_cast<char*>(tensor.data_ptr());
  const auto total = static_cast<int64_t>(info.num_bytes());
  for (int64_t at = 0; at < total; at += kBlock) {
    job.check();
    file.read_range(info, at, std::min(kBlock, total - at), bytes + at);
  }
  return tensor;
}

std::string first_names(const std::vector<std::string>& names) {
  std::string listed;
  for (size_t i = 0; i < std::min<size_t>(names.size(), 20); i++) listed += (i ? ", " : "") + names[i];
  return names.size() > 20 ? str(listed, " and ", names.size() - 20, " more") : listed;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); i++) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

/// The weights of a folder by the names that the model gives them.
class NamedWeights {
 public:
  NamedWeights(const checkpoint::ModelWeights& weights, const Model& model) {
    for (const auto& weight : weights.tensors()) {
      const auto [it, added] = by_name_.try_emplace(model.name_of(weight.name()), &weight);
      if (!added)
        throw Error("ERR_UNEXPECTED_TENSOR",
                    str(weights.folder(), " holds one tensor under two names: ", it->second->name(), " and ",
                        weight.name()),
                    "Save the model again with the library that made it.", {{"folder", weights.folder()}});
    }
  }

  const checkpoint::Weight* find(const std::string& name) const {
    const auto it = by_name_.find(name);
    return it == by_name_.end() ? nullptr : it->second;
  }
  std::set<std::string> names() const {
    std::set<std::string> all;
    for (const auto& [name, weight] : by_name_) all.insert(name);
    return all;
  }

 private:
  std::map<std::string, const checkpoint::Weight*> by_name_;
};

// X.weight -> X.weight_packed
std::string packed_name(const Parameter& parameter) { return parameter.name + "_packed"; }

bool is_packed(const NamedWeights& named, const Parameter& parameter) {
  return parameter.linear && !named.find(parameter.name) && named.find(packed_name(parameter));
}

/// What a parameter is read from: itself, or what it was quantised to.
std::vector<std::string> stored_names(const NamedWeights& named, const Parameter& parameter) {
  const auto& name = parameter.name;
  if (!is_packed(named, parameter)) return {name};
  std::vector<std::string> all = {packed_name(parameter), name + "_scale", name + "_shape"};
  if (named.find(name + "_zero_point")) all.push_back(name + "_zero_point");
  return all;
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

void check_shape(const Parameter& parameter, const std::vector<int64_t>& shape, const std::string& file) {
  if (shape == parameter.shape) return;
  throw Error("ERR_SHAPE_MISMATCH",
              str("Expected shape ", shape_text(parameter.shape), " for ", parameter.name, ", received ",
                  shape_text(shape)),
              "config.json and the weights disagree: take both from the same model.",
              {{"file", file}, {"tensor", parameter.name}});
}

std::shared_ptr<const nn::Quantized> read_packed(const NamedWeights& named, const Parameter& parameter,
                                                 Job& job) {
  const auto read = [&](const char* suffix) {
    const auto* weight = named.find(parameter.name + suffix);
    return weight ? read_tensor(*weight->file, *weight->info, job) : at::Tensor();
  };
  auto quantized =
      nn::unpacked({read("_packed"), read("_scale"), read("_shape"), read("_zero_point")}, parameter.name);
  check_shape(parameter, quantized.codes_OI.sizes().vec(), named.find(packed_name(parameter))->file->path());
  return std::make_shared<const nn::Quantized>(std::move(quantized));
}

// As it is stored, or what its codes mean; the layer keeps those.
at::Tensor read_parameter(const NamedWeights& named, const Parameter& parameter, Job& job) {
  if (is_packed(named, parameter)) {
    parameter.linear->quantized = read_packed(named, parameter, job);
    return parameter.linear->quantized->dense();
  }
  const auto& weight = *named.find(parameter.name);
  check_shape(parameter, weight.shape(), weight.file->path());
  return read_tensor(*weight.file, *weight.info, job);
}

/// What a parameter is written as: itself in this dtype, or what it was quantised to, as that is.
std::vector<std::pair<checkpoint::TensorSpec, at::Tensor>> stored_tensors(const Parameter& parameter,
                                                                          at::ScalarType dtype) {
  if (!parameter.linear || !parameter.linear->quantized)
    return {{{parameter.name, dtype_of(dtype), parameter.shape}, *parameter.tensor}};
  std::vector<std::pair<checkpoint::TensorSpec, at::Tensor>> all;
  const std::string layer = parameter.name.substr(0, parameter.name.rfind('.') + 1);
  for (const auto& [name, tensor] : nn::packed(*parameter.linear->quantized))
    all.push_back({{layer + name, dtype_of(tensor.scalar_type()), tensor.sizes().vec()}, tensor});
  return all;
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
                  at::Device device, Job& job) {
  const auto weights = checkpoint::ModelWeights::open(folder);
  const NamedWeights named(weights, model);
  model.fit_to(named.names());
  const auto parameters = model.parameters();
  const auto tied_copies = model.tied_copies();
  const auto unread = check_names(weights, named, parameters, model);
  if (!unread.empty()) job.emit(Value::Map{{"unread", Value::List(unread.begin(), unread.end())}});
  int64_t done = 0;
  for (const auto& parameter : parameters) {
    const auto stored = read_parameter(named, parameter, job);
    for (const auto& tied : tied_copies)
      if (tied.original == parameter.name) check_tied_copy(folder, named, tied, stored, job);
    *parameter.tensor = stored.to(device, dtype.value_or(stored.scalar_type()));
    for (const auto& name : stored_names(named, parameter))
      done += static_cast<int64_t>(named.find(name)->num_bytes());
    job.progress(Value::Map{{"done_bytes", done}, {"total_bytes", weights.total_bytes()}});
  }
  weights.check_unchanged();
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

void for_packed_weights(const std::string& folder, const Job& job,
                        const std::function<void(const PackedWeight&)>& visit) {
  constexpr std::string_view kEnd = ".weight_packed";
  const auto weights = checkpoint::ModelWeights::open(folder);
  for (const auto& weight : weights.tensors()) {
    if (!weight.name().ends_with(kEnd)) continue;
    PackedWeight packed;
    packed.name = weight.name().substr(0, weight.name().rfind('_'));
    const auto read = [&](const char* suffix) -> at::Tensor {
      const auto* part = weights.find(packed.name + suffix);
      if (!part) return {};
      packed.stored_as.push_back(part->name());
      return read_tensor(*part->file, *part->info, job);
    };
    for (const char* needed : {"_scale", "_shape"}) weights.at(packed.name + needed);
    packed.quantized =
        nn::unpacked({read("_packed"), read("_scale"), read("_shape"), read("_zero_point")}, packed.name);
    visit(packed);
  }
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

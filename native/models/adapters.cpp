#include "models/adapters.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/error.h"
#include "kernels/aten.h"
#include "models/weights.h"

namespace tongueforge::models {
namespace {

constexpr std::string_view kWeight = ".weight";

std::string module_of(const Parameter& weight) {
  return weight.name.substr(0, weight.name.size() - kWeight.size());
}

std::map<std::string, Parameter> linears_of(Model& model) {
  std::map<std::string, Parameter> linears;
  for (const auto& parameter : model.parameters())
    if (parameter.linear) linears.emplace(module_of(parameter), parameter);
  return linears;
}

// Drawn on the CPU: the same numbers for every device.
nn::Adapter make_adapter(const AdapterSpec& spec, const std::vector<int64_t>& shape_OI, at::Device device,
                         at::Generator& random) {
  const double bound = 1 / std::sqrt(static_cast<double>(shape_OI[1]));
  nn::Adapter adapter;
  adapter.added.a_RI = at::empty({spec.rank, shape_OI[1]}).uniform_(-bound, bound, random).to(device);
  adapter.added.b_OR = at::zeros({shape_OI[0], spec.rank}, at::device(device));
  adapter.added.scale = spec.scale;
  return adapter;
}

// Everything that an adapter's file may hold, under its names there.
std::map<std::string, Parameter> places_in(Model& model) {
  std::map<std::string, Parameter> places;
  for (const auto& parameter : model.parameters()) places.emplace(kAdapterPrefix + parameter.name, parameter);
  for (const auto& parameter : adapter_parameters(model)) places.emplace(parameter.name, parameter);
  return places;
}

void check_all_there(Model& model, const std::vector<NamedTensor>& stored, const std::string& path) {
  for (const auto& parameter : adapter_parameters(model)) {
    const auto has_name = [&](const NamedTensor& tensor) { return tensor.first == parameter.name; };
    if (std::none_of(stored.begin(), stored.end(), has_name))
      throw Error("ERR_MISSING_TENSOR", str(path, " lacks ", parameter.name),
                  "Is the adapter complete, and of this model?",
                  {{"file", path}, {"tensor", parameter.name}});
  }
}

// Where two are one tensor, an adapter that trained one of them alone has no place in the model.
void check_tied(const std::vector<NamedTensor>& stored, const TiedCopy& tied, const std::string& path) {
  at::Tensor original, copy;
  for (const auto& [name, tensor] : stored) {
    if (name == kAdapterPrefix + tied.original) original = tensor;
    if (name == kAdapterPrefix + tied.copy) copy = tensor;
  }
  if (!original.defined() && !copy.defined()) return;
  if (original.defined() && copy.defined() && copy.equal(original)) return;
  throw Error(
      "ERR_TIED_WEIGHTS",
      tongueforge::str(
          path, ": expected embedding and head to be one tensor, as in the model; they were trained apart"),
      "Train with ensure_weight_tying, or on a model whose head is its own.", {{"file", path}});
}

void replace(const Parameter& place, const at::Tensor& stored, const std::string& path) {
  if (stored.sizes() != at::IntArrayRef(place.shape))
    throw Error("ERR_SHAPE_MISMATCH",
                tongueforge::str(path, ": expected shape ", at::IntArrayRef(place.shape), " for ", place.name,
                                 ", received ", stored.sizes()),
                "The adapter was made for another model.", {{"file", path}, {"tensor", place.name}});
  place.tensor->copy_(stored);
}

}  // namespace

void attach_adapters(Model& model, const std::vector<AdapterSpec>& adapters, double dropout, uint64_t seed) {
  const auto linears = linears_of(model);
  auto random = at::detail::createCPUGenerator(seed);
  model.dropout()->adapter_rate = dropout;
  uint64_t number = 0;
  for (const auto& spec : adapters) {
    const auto found = linears.find(spec.module);
    if (found == linears.end())
      throw Error("ERR_UNEXPECTED_TENSOR",
                  str("Expected a linear layer of the model, received ", spec.module),
                  "Adapters go on the projections of attention and mlp.", {{"module", spec.module}});
    auto adapter = make_adapter(spec, found->second.shape, model.device(), random);
    adapter.number = number++;
    adapter.dropout = model.dropout();
    found->second.linear->adapter = std::move(adapter);
  }
}

std::vector<Parameter> adapter_parameters(Model& model) {
  std::vector<Parameter> all;
  for (const auto& parameter : model.parameters()) {
    if (!parameter.linear || !parameter.linear->adapter) continue;
    auto& [a_RI, b_OR, scale] = parameter.linear->adapter->added;
    const std::string name = kAdapterPrefix + module_of(parameter);
    all.push_back({name + ".lora_A.weight", &a_RI, a_RI.sizes().vec(), ParameterKind::matrix});
    all.push_back({name + ".lora_B.weight", &b_OR, b_OR.sizes().vec(), ParameterKind::matrix});
  }
  return all;
}

void save_adapters(Model& model, const std::vector<std::string>& also, const std::string& path, Job& job) {
  std::vector<NamedTensor> tensors;
  for (const auto& parameter : adapter_parameters(model))
    tensors.emplace_back(parameter.name, *parameter.tensor);
  const auto places = places_in(model);
  for (const auto& name : also) {
    const auto& tensor = *places.at(kAdapterPrefix + name).tensor;
    tensors.emplace_back(kAdapterPrefix + name, tensor);
    // PEFT stores both ends of a tied embedding (ensure_weight_tying).
    for (const auto& tied : model.tied_copies())
      if (name == tied.original) tensors.emplace_back(kAdapterPrefix + tied.copy, tensor);
  }
  save_tensors(path, tensors, job);
}

void load_adapters(Model& model, const std::string& path, Job& job) {
  const at::NoGradGuard no_grad;
  const auto stored = load_tensors(path, job);
  check_all_there(model, stored, path);
  const auto places = places_in(model);
  std::set<std::string> copies;
  for (const auto& tied : model.tied_copies()) {
    check_tied(stored, tied, path);
    copies.insert(kAdapterPrefix + tied.copy);
  }
  for (const auto& [name, tensor] : stored) {
    if (copies.contains(name)) continue;
    const auto place = places.find(name);
    if (place == places.end())
      throw Error("ERR_UNEXPECTED_TENSOR", str(path, " holds ", name, ", for which the model has no place"),
                  "The adapter was made for another model, or its config does not belong to it.",
                  {{"file", path}, {"tensor", name}});
    replace(place->second, tensor, path);
  }
}

}  // namespace tongueforge::models

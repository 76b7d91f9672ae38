#include "models/packed_weights.h"

#include "models/weights.h"
#include "nn/quantized_execution.h"

namespace tongueforge::models {
namespace {

constexpr const char* kPacked = "_packed";
constexpr const char* kScale = "_scale";
constexpr const char* kShape = "_shape";
constexpr const char* kZeroPoint = "_zero_point";  // where it is not symmetric

/// `read` gives the tensor X.weight + suffix, undefined where there is none.
template <class Read>
nn::Quantized unpacked(const std::string& name, const Read& read) {
  return nn::unpacked({read(kPacked), read(kScale), read(kShape), read(kZeroPoint)}, name);
}

[[noreturn]] void throw_other(const std::string& code, const std::string& tensor, const std::string& expected,
                              const std::string& received) {
  throw Error(code, str("Expected ", expected, " for ", tensor, ", as config.json says, received ", received),
              "Do config.json and the weights come from one model?", {{"tensor", tensor}});
}

void check_packed(const NamedWeights& named, const std::string& name, const nn::Packing& packing) {
  if (packing.bits == 0)
    throw_other("ERR_UNEXPECTED_TENSOR", name, "weights that are not quantised", "packed ones");
  if (!packing.symmetric && !named.find(name + kZeroPoint))
    throw_other("ERR_MISSING_TENSOR", name + kZeroPoint, "zero points", "none");
}

void check_grid(const std::string& name, const nn::Quantized& weight, const nn::Packing& packing) {
  if (weight.codes.bits() != packing.bits)
    throw_other("ERR_SHAPE_MISMATCH", name, str(packing.bits, " bits a weight"), str(weight.codes.bits()));
  const int64_t inputs = weight.codes.inputs(), group = packing.group == 0 ? inputs : packing.group;
  const int64_t found = weight.scales_OG.size(1);
  if (inputs % group != 0 || found != inputs / group)
    throw_other("ERR_SHAPE_MISMATCH", name, str("a scale for each ", group, " of ", inputs, " inputs"),
                str(found, " scales"));
}

}  // namespace

bool is_packed(const NamedWeights& named, const Parameter& parameter) {
  return parameter.linear && !named.find(parameter.name) && named.find(parameter.name + kPacked);
}

std::vector<std::string> stored_names(const NamedWeights& named, const Parameter& parameter) {
  const auto& name = parameter.name;
  if (!is_packed(named, parameter)) return {name};
  std::vector<std::string> all;
  for (const char* suffix : {kPacked, kScale, kShape}) all.push_back(name + suffix);
  if (named.find(name + kZeroPoint)) all.push_back(name + kZeroPoint);
  return all;
}

nn::Quantized read_packed(const NamedWeights& named, const Parameter& parameter,
                          const std::optional<nn::Packing>& packing, const Job& job) {
  if (packing) check_packed(named, parameter.name, *packing);
  auto quantized = unpacked(parameter.name, [&](const char* suffix) {
    const auto* weight = named.find(parameter.name + suffix);
    return weight ? read_tensor(*weight->file, *weight->info, job) : at::Tensor();
  });
  check_shape(parameter, {quantized.codes.outputs(), quantized.codes.inputs()},
              named.find(parameter.name + kPacked)->file->path());
  if (packing) check_grid(parameter.name, quantized, *packing);
  return quantized;
}

std::vector<std::pair<checkpoint::TensorSpec, at::Tensor>> stored_tensors(const Parameter& parameter,
                                                                          at::ScalarType dtype) {
  const auto numbers = parameter.linear ? nn::quantized_numbers(*parameter.linear) : nullptr;
  if (!numbers) return {{{parameter.name, dtype_of(dtype), parameter.shape}, *parameter.tensor}};
  std::vector<std::pair<checkpoint::TensorSpec, at::Tensor>> all;
  const std::string layer = parameter.name.substr(0, parameter.name.rfind('.') + 1);
  for (const auto& [name, tensor] : nn::packed(*numbers))
    all.push_back({{layer + name, dtype_of(tensor.scalar_type()), tensor.sizes().vec()}, tensor});
  return all;
}

void for_packed_weights(const std::string& folder, const Job& job,
                        const std::function<void(const PackedWeight&)>& visit) {
  const std::string end = std::string(".weight") + kPacked;
  const auto weights = checkpoint::ModelWeights::open(folder);
  for (const auto& weight : weights.tensors()) {
    if (!weight.name().ends_with(end)) continue;
    PackedWeight packed;
    packed.name = weight.name().substr(0, weight.name().rfind('_'));
    for (const char* needed : {kScale, kShape}) weights.at(packed.name + needed);
    packed.quantized = unpacked(packed.name, [&](const char* suffix) {
      const auto* part = weights.find(packed.name + suffix);
      if (!part) return at::Tensor();
      packed.stored_as.push_back(part->name());
      return read_tensor(*part->file, *part->info, job);
    });
    visit(packed);
  }
}

}  // namespace tongueforge::models

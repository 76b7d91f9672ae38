#include "live/graft_target.h"

#include <cstring>
#include <map>

#include "kernels/aten.h"
#include "live/deltas.h"
#include "merge/graft/graft_kernel.h"
#include "models/weights.h"

namespace tongueforge::live {
namespace {

using models::Decoder;

std::map<std::string, at::Tensor> tensors_of(const Decoder& model) {
  std::map<std::string, at::Tensor> all;
  for (const auto& parameter : model.parameters()) all[parameter.name] = *parameter.tensor;
  return all;
}

const merge::Source& chat_source(const merge::Graft& graft, const std::string& name) {
  for (const auto& difference : graft.differences())
    if (difference.name == name) return difference.chat;
  throw Error("ERR_MISSING_TENSOR", str("Expected ", name, " in the chat model, found none"),
              "All models must be of one architecture.", {{"tensor", name}});
}

/// Rows of the target in the order of the result; those that it lacks as the chat model has them, rounded to
/// the target's dtype.
at::Tensor with_rows(const at::Tensor& target_VD, const std::vector<int32_t>& rows,
                     const merge::Source& chat) {
  const int64_t width = target_VD.size(1), row_bytes = width * target_VD.element_size();
  const DType dtype = models::dtype_of(target_VD.scalar_type());
  auto result_VD = at::zeros({static_cast<int64_t>(rows.size()), width}, target_VD.options());
  std::vector<float> values(static_cast<size_t>(width));
  std::vector<char> scratch(values.size() * sizeof(float));
  const auto* from = static_cast<const char*>(target_VD.const_data_ptr());
  auto* to = static_cast<char*>(result_VD.mutable_data_ptr());
  for (size_t i = 0; i < rows.size(); i++, to += row_bytes) {
    if (rows[i] >= 0) {
      std::memcpy(to, from + rows[i] * row_bytes, static_cast<size_t>(row_bytes));
      continue;
    }
    chat.read_floats(i * values.size(), values.size(), values.data(), scratch.data());
    merge::GraftSums sums;
    merge::add_span(dtype, to, values.data(), 1.0f, to, values.size(), sums);
  }
  return result_VD;
}

}  // namespace

std::shared_ptr<Decoder> load_graft_target(const merge::GraftInputs& inputs, models::DecoderSpec target_spec,
                                           Job& job) {
  const at::NoGradGuard no_grad;
  const merge::Graft graft(inputs);
  if (!graft.problems().empty()) throw graft.problems().front();
  Decoder target(target_spec);
  models::load_weights(target, inputs.target.folder, std::nullopt, at::kCPU, job);
  auto stored = tensors_of(target);
  if (graft.unties_head()) stored[kHead] = stored[kEmbedding];

  auto spec = std::move(target_spec);
  spec.tied_head = spec.tied_head && !graft.unties_head();
  if (inputs.target_rows) spec.vocab_size = static_cast<int64_t>(inputs.target_rows->size());
  auto result = std::make_shared<Decoder>(std::move(spec));
  for (const auto& parameter : result->parameters()) {
    const auto& before = stored.at(parameter.name);
    *parameter.tensor =
        inputs.target_rows && has_token_rows(parameter.name)
            ? with_rows(before.contiguous(), *inputs.target_rows, chat_source(graft, parameter.name))
            : before;
  }
  return result;
}

}  // namespace tongueforge::live

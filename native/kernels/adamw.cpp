#include "kernels/adamw.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "kernels/adamw_cuda.h"
#include "kernels/cuda/glue.h"
#include "kernels/stochastic_rounding.h"

namespace tongueforge::kernels {
namespace {

// ---- CPU: ATen's fused update, then the weights ----

// from: float32; to: bfloat16 or float16.
void round_by_odds(const at::Tensor& from, const at::Tensor& to, uint64_t seed, uint32_t tensor,
                   uint32_t update) {
  constexpr int64_t kGroupsPerThread = 2048;
  const bool is_bfloat16 = to.scalar_type() == at::kBFloat16;
  const auto* x = from.const_data_ptr<float>();
  auto* y = static_cast<uint16_t*>(to.mutable_data_ptr());
  const int64_t n = from.numel();
  at::parallel_for(0, (n + 7) / 8, kGroupsPerThread, [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; group++) {
      const auto bits = rounding_bits(seed, tensor, update, static_cast<uint64_t>(group));
      for (int64_t i = 8 * group; i < std::min(n, 8 * group + 8); i++) {
        const uint32_t random = bits.half(static_cast<int>(i % 8));
        y[i] = is_bfloat16 ? stochastic_bfloat16(x[i], random) : stochastic_float16(x[i], random);
      }
    }
  });
}

std::vector<at::Tensor> in_float32(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> wide;
  for (const auto& tensor : tensors) wide.push_back(tensor.to(at::kFloat));  // itself where it is
  return wide;
}

// `wide` (float32) is what was updated, `to` what it is rounded into: a weight, or a master of 16 bits.
void publish(const at::Tensor& wide, const at::Tensor& to, size_t tensor, const AdamWUpdate& update,
             const AdamWCoefficients& c) {
  if (to.is_same(wide)) return;
  if (to.scalar_type() == at::kFloat || c.rounding == Rounding::nearest) {
    to.copy_(wide);
  } else {
    round_by_odds(wide, to, c.seed, static_cast<uint32_t>(tensor),
                  static_cast<uint32_t>(update.count.item<float>()));
  }
}

void update_on_cpu(AdamWState& state, const std::vector<at::Tensor>& gradients, const AdamWUpdate& update,
                   const AdamWCoefficients& c) {
  const double scale = update.scale.defined() ? update.scale.item<double>() : 1;
  if (std::isnan(scale)) return;
  const auto wide = in_float32(state.masters), wide_gradients = in_float32(gradients);
  if (scale != 1)
    for (const auto& gradient : wide_gradients) gradient.mul_(scale);
  const std::vector<at::Tensor> counts(wide.size(), update.count);
  at::_fused_adamw_(wide, wide_gradients, state.first_moments, state.second_moments,
                    /*max_exp_avg_sqs=*/{}, counts, update.lr.item<double>(), c.beta1, c.beta2,
                    c.weight_decay, c.eps, /*amsgrad=*/false, /*maximize=*/false);
  for (size_t i = 0; i < wide.size(); i++) {
    if (!state.masters[i].is_same(wide[i]))
      publish(wide[i], state.masters[i], i, update, c);
    else if (!state.weights.empty())
      publish(wide[i], state.weights[i], i, update, c);
  }
}

// ---- CUDA: the twin, a call for each combination of dtypes ----

using Dtypes = std::tuple<at::ScalarType, at::ScalarType, at::ScalarType>;  // of master, weight, gradient

// In the order of the master's elements in memory.
at::Tensor laid_out_as(const at::Tensor& master, const at::Tensor& gradient) {
  if (gradient.strides() == master.strides()) return gradient;
  return at::empty_like(master, gradient.options()).copy_(gradient);
}

cuda::AdamWTensor on_cuda(const AdamWState& state, size_t i, const at::Tensor& gradient) {
  const auto& master = state.masters[i];
  const bool has_weight = !state.weights.empty() && !state.weights[i].is_same(master);
  return {master.mutable_data_ptr(),
          has_weight ? state.weights[i].mutable_data_ptr() : nullptr,
          gradient.const_data_ptr(),
          state.first_moments[i].mutable_data_ptr<float>(),
          state.second_moments[i].mutable_data_ptr<float>(),
          master.numel(),
          static_cast<uint32_t>(i)};
}

void update_on_cuda(const AdamWState& state, const std::vector<at::Tensor>& gradients,
                    const AdamWUpdate& update, const AdamWCoefficients& c) {
  std::map<Dtypes, std::vector<size_t>> alike;
  std::vector<at::Tensor> laid_out;
  for (size_t i = 0; i < gradients.size(); i++) {
    const auto& master = state.masters[i];
    laid_out.push_back(laid_out_as(master, gradients[i]));
    const auto weight = state.weights.empty() ? master.scalar_type() : state.weights[i].scalar_type();
    alike[{master.scalar_type(), weight, gradients[i].scalar_type()}].push_back(i);
  }
  const auto& first = state.masters[0];
  for (const auto& [dtypes, places] : alike) {
    std::vector<cuda::AdamWTensor> tensors;
    for (const size_t i : places) tensors.push_back(on_cuda(state, i, laid_out[i]));
    const auto element = [&](const std::vector<at::Tensor>& of) { return cuda::element_of(of[places[0]]); };
    cuda::adamw({element(state.masters), element(state.weights.empty() ? state.masters : state.weights),
                 element(gradients)},
                tensors,
                {.lr = update.lr.const_data_ptr<double>(),
                 .count = update.count.const_data_ptr<float>(),
                 .scale = update.scale.defined() ? update.scale.const_data_ptr<float>() : nullptr,
                 .beta1 = c.beta1,
                 .beta2 = c.beta2,
                 .eps = c.eps,
                 .weight_decay = c.weight_decay,
                 .stochastic = c.rounding == Rounding::stochastic,
                 .seed = c.seed},
                cuda::stream_of(first));
  }
}

}  // namespace

void adamw_(AdamWState& state, const std::vector<at::Tensor>& gradients, const AdamWUpdate& update,
            const AdamWCoefficients& coefficients) {
  if (state.masters.empty()) return;
  const at::NoGradGuard no_grad;
  if constexpr (cuda::kBuilt)
    if (state.masters[0].is_cuda()) return update_on_cuda(state, gradients, update, coefficients);
  update_on_cpu(state, gradients, update, coefficients);
}

}  // namespace tongueforge::kernels

#include "kernels/packed_attention_cudnn.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "kernels/autograd.h"
#include "kernels/cuda/devices.h"
#include "kernels/kept_thread.h"

namespace tongueforge::kernels {
namespace {

using detail::RowsGradients;
using detail::RowsKernel;
using detail::RowsResult;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// ---- libtorch's way to cuDNN ----

// What cuDNN has prepared for a shape, libtorch keeps by thread: forward of each job would prepare it anew.
RowsResult aten_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal) {
  RowsResult result;
  on_kept_thread([&] {
    const auto all =
        at::_scaled_dot_product_cudnn_attention(q, k, v, /*attn_bias=*/std::nullopt,
                                                /*compute_log_sumexp=*/true, /*dropout_p=*/0.0, causal);
    result = {std::get<0>(all), std::get<1>(all), std::get<6>(all), std::get<7>(all)};
  });
  return result;
}

RowsGradients aten_backward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal,
                            const RowsResult& result, const at::Tensor& dy) {
  RowsGradients grads;
  on_kept_thread([&] {
    const at::Tensor none;
    std::tie(grads.q, grads.k, grads.v) = at::_scaled_dot_product_cudnn_attention_backward(
        dy, q, k, v, result.y, result.log_sums, result.seed, result.offset, /*attn_bias=*/none, none, none,
        q.size(2), k.size(2), /*dropout_p=*/0.0, causal);
  });
  return grads;
}

bool is_asked_for() {
  static const char* const text = std::getenv("TONGUEFORGE_ATTENTION");
  return text == nullptr || std::string_view(text) != "flash";
}

bool suits(at::Device device) {
  static const auto found = cuda::devices();
  const auto index = static_cast<int>(device.index());
  return std::ranges::any_of(found.list,
                             [&](const auto& each) { return each.index == index && each.major == 9; });
}

// ---- rows in and out ----

// (B,N,T,H) whose memory is (B,T,N,H), perhaps with something between the rows.
at::Tensor as_rows(const at::Tensor& x) {
  const auto rows = x.transpose(1, 2);
  return rows.stride(3) == 1 && rows.stride(2) == rows.size(3) ? x : rows.contiguous().transpose(1, 2);
}

struct RowsAttention : torch::autograd::Function<RowsAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, bool causal, const RowsKernel& kernel) {
    const variable_list rows = {as_rows(q), as_rows(k), as_rows(v)};
    const auto result = kernel.forward(rows[0], rows[1], rows[2], causal);
    context->save_for_backward(
        {rows[0], rows[1], rows[2], result.y, result.log_sums, result.seed, result.offset});
    context->saved_data["causal"] = causal;
    context->saved_data["kernel"] = c10::IValue::make_capsule(c10::make_intrusive<Kept>(kernel));
    return result.y.transpose(1, 2).flatten(2);
  }

  static variable_list backward(AutogradContext* context, variable_list incoming) {
    const auto saved = context->get_saved_variables();
    const auto kept = context->saved_data["kernel"].toCapsule();
    const auto dy = incoming[0].contiguous().unflatten(-1, {saved[0].size(1), -1}).transpose(1, 2);
    const auto grads = static_cast<const Kept&>(*kept).kernel.backward(
        saved[0], saved[1], saved[2], context->saved_data["causal"].toBool(),
        {saved[3], saved[4], saved[5], saved[6]}, dy);
    return {grads.q, grads.k, grads.v, {}, {}};
  }

 private:
  struct Kept : torch::CustomClassHolder {
    explicit Kept(const RowsKernel& kernel) : kernel(kernel) {}
    RowsKernel kernel;
  };
};

}  // namespace

bool detail::are_whole(const PackedPlan& plan) {
  return static_cast<int64_t>(plan.documents.size()) == plan.batch &&
         std::ranges::all_of(plan.documents, [&](const auto& each) { return each.length == plan.time; });
}

bool takes_cudnn_attention(const at::Tensor& q, const PackedAttentionOptions& options) {
  const auto dtype = q.scalar_type();
  const int64_t time = q.size(2), head_dim = q.size(3);
  return q.is_cuda() && (dtype == at::kBFloat16 || dtype == at::kHalf) && head_dim % 8 == 0 &&
         head_dim <= 128 && time >= 1024 && time % 256 == 0 && options.window == 0 &&
         !options.plan->is_fixed && detail::are_whole(*options.plan) &&
         !at::globalContext().deterministicAlgorithms() && suits(q.device()) && is_asked_for();
}

at::Tensor detail::cudnn_packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                          const PackedAttentionOptions& options, const RowsKernel& kernel) {
  if (options.job) options.job->check();
  return RowsAttention::apply(q, k, v, options.causal, kernel);
}

at::Tensor cudnn_packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const PackedAttentionOptions& options) {
  return detail::cudnn_packed_attention(q, k, v, options, {aten_forward, aten_backward});
}

}  // namespace tongueforge::kernels

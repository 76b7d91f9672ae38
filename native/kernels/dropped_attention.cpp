#include "kernels/dropped_attention.h"

#include <cmath>
#include <utility>

#include "core/random.h"
#include "kernels/autograd.h"

namespace tongueforge::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// (B,N,T,H) -> (N,B*T,H), in float32 at least
at::Tensor places_by_head(const at::Tensor& x) {
  const bool is_wide = x.scalar_type() == at::kDouble;
  return x.transpose(0, 1).flatten(1, 2).to(is_wide ? at::kDouble : at::kFloat);
}

// (N,B*T,H) -> (B,N,T,H) of the dtype of x
at::Tensor as_given(const at::Tensor& y_NPH, const at::Tensor& x) {
  return y_NPH.unflatten(1, {x.size(0), x.size(2)}).transpose(0, 1).to(x.scalar_type());
}

// A document under all heads. Letter: S places of it.
struct Document {
  int64_t begin, length;
  DropoutKey dropout;

  // Each draws for itself: the same key would drop in one what it drops in the other.
  Document(const PackedStretch& stretch, const DropoutKey& of_all)
      : begin(stretch.begin),
        length(stretch.length),
        dropout{of_all.rate, Random(of_all.key + static_cast<uint64_t>(stretch.begin)).next()} {}

  at::Tensor of(const at::Tensor& x_NPH) const { return x_NPH.narrow(1, begin, length); }
  at::Tensor drop(const at::Tensor& x_NSS) const { return dropped(x_NSS, dropout); }
};

at::Tensor probabilities(const at::Tensor& q_NSH, const at::Tensor& k_NSH) {
  const double scale = 1 / std::sqrt(static_cast<double>(q_NSH.size(2)));
  return at::softmax(at::matmul(q_NSH * scale, k_NSH.transpose(1, 2)), -1);
}

// Probabilities of one document at a time, in backward once more, so that no two are in memory.
struct DroppedAttention : torch::autograd::Function<DroppedAttention> {
  struct Kept final : torch::CustomClassHolder {
    std::shared_ptr<const PackedPlan> plan;
    DropoutKey dropout;
    Kept(std::shared_ptr<const PackedPlan> the_plan, const DropoutKey& the_dropout)
        : plan(std::move(the_plan)), dropout(the_dropout) {}

    template <class Work>
    void for_each_document(const Work& work) const {
      for (const auto& stretch : plan->stretches)
        if (!stretch.is_padding) work(Document(stretch, dropout));
    }
  };

  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const c10::intrusive_ptr<Kept>& kept) {
    const auto q_NPH = places_by_head(q), k_NPH = places_by_head(k), v_NPH = places_by_head(v);
    const auto y_NPH = at::zeros_like(v_NPH);
    kept->for_each_document([&](const Document& one) {
      const auto looked_NSS = one.drop(probabilities(one.of(q_NPH), one.of(k_NPH)));
      one.of(y_NPH).copy_(at::matmul(looked_NSS, one.of(v_NPH)));
    });
    context->save_for_backward({q, k, v});
    context->saved_data["kept"] = c10::IValue::make_capsule(kept);
    return as_given(y_NPH, v).transpose(1, 2).flatten(2);
  }

  static variable_list backward(AutogradContext* context, variable_list incoming) {
    const auto saved = context->get_saved_variables();
    const auto& [q, k, v] = std::tie(saved[0], saved[1], saved[2]);
    const auto q_NPH = places_by_head(q), k_NPH = places_by_head(k), v_NPH = places_by_head(v);
    const auto dy_NPH = places_by_head(incoming[0].unflatten(2, {q.size(1), q.size(3)}).transpose(1, 2));
    const auto dq_NPH = at::zeros_like(q_NPH), dk_NPH = at::zeros_like(k_NPH), dv_NPH = at::zeros_like(v_NPH);
    const double scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
    static_cast<Kept*>(context->saved_data["kept"].toCapsule().get())
        ->for_each_document([&](const Document& one) {
          const auto a_NSS = probabilities(one.of(q_NPH), one.of(k_NPH));
          const auto dy_NSH = one.of(dy_NPH);
          one.of(dv_NPH).copy_(at::matmul(one.drop(a_NSS).transpose(1, 2), dy_NSH));
          const auto da_NSS = one.drop(at::matmul(dy_NSH, one.of(v_NPH).transpose(1, 2)));
          const auto ds_NSS = a_NSS * (da_NSS - (a_NSS * da_NSS).sum(-1, /*keepdim=*/true)) * scale;
          one.of(dq_NPH).copy_(at::matmul(ds_NSS, one.of(k_NPH)));
          one.of(dk_NPH).copy_(at::matmul(ds_NSS.transpose(1, 2), one.of(q_NPH)));
        });
    return {as_given(dq_NPH, q), as_given(dk_NPH, k), as_given(dv_NPH, v), {}};
  }
};

}  // namespace

at::Tensor dropped_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const std::shared_ptr<const PackedPlan>& plan, const DropoutKey& dropout) {
  return DroppedAttention::apply(q, k, v, c10::make_intrusive<DroppedAttention::Kept>(plan, dropout));
}

}  // namespace tongueforge::kernels

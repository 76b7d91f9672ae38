#include "compress/sensitivity.h"

#include <algorithm>
#include <utility>

#include "compress/to_list.h"
#include "core/error.h"
#include "kernels/autograd.h"

namespace tongueforge::compress {
namespace {

// While it lives, everything from the values of the first block on is recorded, without a gradient of any
// weight being computed: only those of what is asked for.
class RecordingScope {
 public:
  explicit RecordingScope(models::Model& model)
      : recording_(true), leaf_(leaf_of(model)), before_(leaf_.requires_grad()) {
    leaf_.set_requires_grad(true);
  }
  ~RecordingScope() { leaf_.set_requires_grad(before_); }
  RecordingScope(const RecordingScope&) = delete;
  RecordingScope& operator=(const RecordingScope&) = delete;

 private:
  static at::Tensor leaf_of(models::Model& model) {
    const auto& values = *model.blocks().front().v.linear;
    return values.factors ? values.factors->out_OR : values.weight;
  }

  at::AutoGradMode recording_;
  at::Tensor leaf_;
  bool before_;
};

// Inputs of the watched layers in one forward pass.
class Inputs {
 public:
  explicit Inputs(const std::vector<Watched>& watched) : inputs_(watched.size()) {
    for (size_t i = 0; i < watched.size(); i++)
      scopes_.emplace_back(*watched[i].linear, [this, i](const at::Tensor& x_BTI) { inputs_[i] = x_BTI; });
  }

  /// And lets go of them.
  std::vector<at::Tensor> take() { return std::exchange(inputs_, std::vector<at::Tensor>(inputs_.size())); }

 private:
  std::vector<at::Tensor> inputs_;
  std::vector<nn::ObserverScope> scopes_;
};

// <x, dL/dx> of each unit at each place: (B,T,I) -> (B,T,U).
at::Tensor products(const at::Tensor& x_BTI, const at::Tensor& gradient_BTI, int64_t width) {
  const auto product_BTI = x_BTI.detach().to(at::kDouble) * gradient_BTI;
  return product_BTI.unflatten(-1, {-1, width}).sum(-1);
}

// Sums over the documents of each row: (B,T,U) -> (B*S,U). Padding, of segment -1, adds zeros.
at::Tensor document_sums(const at::Tensor& products_BTU, const at::Tensor& segments_BT) {
  const int64_t rows = segments_BT.size(0), documents = segments_BT.max().item<int64_t>() + 1;
  const auto first_B1 = at::arange(rows).unsqueeze(1) * documents;
  const auto index_BT = segments_BT.clamp_min(0) + first_B1;
  const auto sums = at::zeros({rows * documents, products_BTU.size(2)}, products_BTU.options());
  return sums.index_add(0, index_BT.flatten(), products_BTU.flatten(0, 1));
}

std::vector<double> of_length_one(const at::Tensor& sums_U) {
  const auto length = sums_U.norm();
  return to_list(length.item<double>() > 0 ? sums_U / length : sums_U);
}

}  // namespace

Scores sensitivities(models::Model& model, const std::vector<Watched>& watched, SensitivityKind kind,
                     const CalibrationRows& rows, Job& job) {
  const RecordingScope recording(model);
  Inputs inputs(watched);
  std::vector<at::Tensor> sums(watched.size());
  for_each_batch(rows, job, [&](size_t batch) {
    const auto loss = rows.loss(batch, job);
    if (!loss.defined()) return;
    const auto x = inputs.take();
    const auto gradients = torch::autograd::grad({loss}, x);
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < watched.size(); i++) {
      auto parts = products(x[i], gradients[i], watched[i].width);
      if (kind == SensitivityKind::document) parts = document_sums(parts, rows.batches[batch].segments_BT);
      const auto sum_U = parts.abs().flatten(0, -2).sum(0);
      sums[i] = sums[i].defined() ? sums[i] + sum_U : sum_U;
    }
  });
  const bool none =
      std::any_of(sums.begin(), sums.end(), [](const at::Tensor& sum_U) { return !sum_U.defined(); });
  if (none)
    throw Error("ERR_CALIBRATION", "Expected tokens to predict in the calibration rows, received none",
                "Texts of one token each predict nothing: name longer ones.");
  const at::NoGradGuard no_grad;
  Scores scores;
  for (const auto& sum_U : sums) scores.push_back(of_length_one(sum_U));
  return scores;
}

}  // namespace tongueforge::compress

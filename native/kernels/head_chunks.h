// The head of a language model on a few rows at a time: what the losses that never hold all logits share.
#pragma once
#include <algorithm>
#include <optional>

#include "kernels/autograd.h"
#include "kernels/head.h"

namespace tongueforge::kernels {

/// Rows of logits that exist at once.
int64_t chunk_rows(const ChunkOptions& options, const HeadInputs& head);

/// body(begin, m) for every chunk of `size` of `rows` rows.
template <class Body>
void for_chunks(int64_t rows, int64_t size, const Job* job, const Body& body) {
  for (int64_t begin = 0; begin < rows; begin += size) {
    if (job) job->check();
    body(begin, std::min(size, rows - begin));
  }
}

/// targets (M) as the loops over rows take them: dense, on the device of the head. Throws unless they are
/// int64, one for each row, and below the vocabulary. The last is asked of targets on the CPU: looking at
/// those on another device would wait for all that it has to do, and kernels there answer with NaN.
at::Tensor checked_targets(const at::Tensor& targets, const HeadInputs& head);

/// Logits of a head, chunk by chunk, in one buffer of `size` rows for them all.
class HeadLogits {
 public:
  HeadLogits(const HeadInputs& head, int64_t size);

  /// (m,V): valid until the next call.
  at::Tensor of(int64_t begin, int64_t m);
  /// (m,D)
  at::Tensor hidden(int64_t begin, int64_t m) const { return hidden_.narrow(0, begin, m); }

 private:
  at::Tensor hidden_, weight_, bias_, logits_;
};

/// Of which inputs a gradient is wanted.
struct HeadWanted {
  bool hidden, weight, bias = false;

  /// What is recorded of these now.
  static HeadWanted now(const HeadInputs& head);
  bool any() const { return hidden || weight || bias; }
};

/// Gradients of what makes the logits, filled chunk by chunk; an undefined one is not wanted.
class HeadGradients {
 public:
  HeadGradients(const at::Tensor& hidden, const at::Tensor& weight, const HeadWanted& wanted);

  void add(int64_t begin, const at::Tensor& grad_logits, const at::Tensor& hidden, const at::Tensor& weight);

  /// {of hidden, of weight, of bias}, the last two rounded to `dtype`.
  torch::autograd::variable_list rounded(at::ScalarType dtype) const;

  /// Gradients that were made on the way forward wait in the context for the one backward pass.
  void keep(torch::autograd::AutogradContext* context, const at::Tensor& weight) const;
  /// {of hidden, of weight, of bias}, times `scale`, a scalar tensor. Throws when asked twice.
  static torch::autograd::variable_list hand_out(torch::autograd::AutogradContext* context,
                                                 const at::Tensor& scale);

 private:
  HeadGradients() = default;

  at::Tensor hidden_;  // (M,D)
  at::Tensor weight_;  // (V,D), float32 or wider
  at::Tensor bias_;    // (V), as the weight
};

/// (M) in float32, or float64 for float64: a number a row.
at::Tensor row_statistics(const at::Tensor& hidden);

/// gradient <- gradient * scale, a scalar tensor; an undefined one stays so. On CUDA the host does not wait
/// for the scale.
at::Tensor scale_(at::Tensor gradient, const at::Tensor& scale);

/// As autograd takes an input that may be undefined.
inline std::optional<at::Tensor> maybe(const at::Tensor& input) {
  return input.defined() ? std::optional(input) : std::nullopt;
}

/// Summed in float64, rounded once.
inline at::Tensor sum_of(const at::Tensor& losses) {
  return losses.sum(at::kDouble).to(losses.scalar_type());
}

}  // namespace tongueforge::kernels

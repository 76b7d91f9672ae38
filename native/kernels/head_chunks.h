// The head of a language model on a few rows at a time: what the losses that never hold all logits share.
#pragma once
#include <algorithm>
#include <optional>

#include "kernels/aten.h"
#include "kernels/head.h"

namespace tongueforge::kernels {

/// Rows of logits that exist at once, of `rows` in all.
int64_t chunk_rows(const ChunkOptions& options, int64_t rows, int64_t vocab, int64_t element_size);

/// body(begin, m) for every chunk of `size` of `rows` rows.
template <class Body>
void for_chunks(int64_t rows, int64_t size, const Job* job, const Body& body) {
  for (int64_t begin = 0; begin < rows; begin += size) {
    if (job) job->check();
    body(begin, std::min(size, rows - begin));
  }
}

/// Throws unless targets (M) are int64, one for each row, below `vocab`.
void check_targets(const at::Tensor& targets, int64_t rows, int64_t vocab);

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
  /// {of hidden, of weight, of bias}, times `scale`. Throws when asked twice.
  static torch::autograd::variable_list hand_out(torch::autograd::AutogradContext* context, double scale);

 private:
  HeadGradients() = default;

  at::Tensor hidden_;  // (M,D)
  at::Tensor weight_;  // (V,D), float32 or wider
  at::Tensor bias_;    // (V), as the weight
};

/// (M) in float32, or float64 for float64: a number a row.
at::Tensor row_statistics(const at::Tensor& hidden);

/// As autograd takes an input that may be undefined.
inline std::optional<at::Tensor> maybe(const at::Tensor& input) {
  return input.defined() ? std::optional(input) : std::nullopt;
}

/// Summed in float64, rounded once.
inline at::Tensor sum_of(const at::Tensor& losses) {
  return losses.sum(at::kDouble).to(losses.scalar_type());
}

}  // namespace tongueforge::kernels

#include "train/masks.h"

#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::train {
namespace {

// A bias that is zero throughout may never have been anything else: nothing says that it was pruned.
at::Tensor mask_of_zeros(const at::Tensor& master) {
  auto mask = master.eq(0);
  return master.dim() == 1 && mask.all().item<bool>() ? mask.zero_() : mask;
}

}  // namespace

Masking masking_from_name(const std::string& name) {
  if (name == "none") return Masking::none;
  if (name == "empty") return Masking::empty;
  if (name == "zeros") return Masking::zeros;
  throw Error("ERR_USAGE", str("Expected masks none, empty or zeros, received '", name, "'"));
}

Masks::Masks(const TrainedTensors& tensors, const std::set<std::string>& pool, Masking masking) {
  if (masking == Masking::none) return;
  for (size_t i = 0; i < tensors.all().size(); i++) {
    const auto& tensor = tensors.all()[i];
    if (!pool.contains(tensor.name)) continue;
    const auto master = tensor.master.detach();
    const auto mask = masking == Masking::zeros ? mask_of_zeros(master) : at::zeros_like(master, at::kBool);
    all_.push_back({tensor.name, i, master, mask});
  }
}

Masks::Counts Masks::counts() const {
  Counts counts;
  for (const auto& masked : all_) {
    counts.prunable += masked.mask.numel();
    counts.masked += masked.mask.count_nonzero().item<int64_t>();
  }
  return counts;
}

void Masks::grow(kernels::MaskScope scope, double sparsity, const Job& job) {
  if (all_.empty()) throw Error("ERR_USAGE", "Expected masks to prune with, and this training has none");
  std::vector<at::Tensor> pool, already;
  for (const auto& masked : all_) {
    pool.push_back(masked.master);
    already.push_back(masked.mask);
  }
  // Whole first: what was cancelled half-way is as it was.
  const auto grown = kernels::smallest(pool, scope, sparsity, already, &job);
  for (size_t i = 0; i < all_.size(); i++) all_[i].mask.copy_(grown[i]);
  clear_weights();
}

void Masks::clear_gradients(const std::vector<at::Tensor>& gradients) const {
  const at::NoGradGuard no_grad;
  for (const auto& masked : all_) gradients[masked.place].masked_fill_(masked.mask, 0);
}

void Masks::clear_weights() const {
  const at::NoGradGuard no_grad;
  for (const auto& masked : all_) masked.master.masked_fill_(masked.mask, 0);
}

std::vector<models::NamedTensor> Masks::state() const {
  std::vector<models::NamedTensor> tensors;
  for (const auto& masked : all_) tensors.emplace_back("mask." + masked.name, masked.mask);
  return tensors;
}

}  // namespace tongueforge::train

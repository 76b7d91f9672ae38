// y = x W^T (+ b), with or without a low-rank adapter on top.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "kernels/lora_linear.h"

namespace tongueforge::nn {

/// What the adapters of one model share: `key` is set while a training step runs, and only then are values
/// dropped.
struct AdapterDropout {
  double rate = 0;
  std::optional<uint64_t> key;
};

/// While it lives, the adapters drop by this key, or drop nothing.
class DropoutScope {
 public:
  DropoutScope(AdapterDropout& dropout, std::optional<uint64_t> key)
      : dropout_(dropout), before_(std::exchange(dropout.key, key)) {}
  ~DropoutScope() { dropout_.key = before_; }
  DropoutScope(const DropoutScope&) = delete;
  DropoutScope& operator=(const DropoutScope&) = delete;

 private:
  AdapterDropout& dropout_;
  std::optional<uint64_t> before_;
};

/// scale * B A, trained beside a frozen weight (LoRA, Hu et al. 2021, arXiv 2106.09685).
struct Adapter {
  kernels::LowRank added;
  uint64_t number = 0;  // of the adapter within its model: each drops other values
  std::shared_ptr<const AdapterDropout> dropout;
};

struct Linear {
  at::Tensor weight;  // (out, in)
  at::Tensor bias;    // (out), or undefined
  std::optional<Adapter> adapter;

  /// (..., in) -> (..., out)
  at::Tensor operator()(const at::Tensor& x) const;
  /// Appends its tensors, those of the adapter included, to a list.
  void append_tensors(std::vector<at::Tensor>& all) const;
};

}  // namespace tongueforge::nn

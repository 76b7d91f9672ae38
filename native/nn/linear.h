// y = x W^T (+ b): W a matrix or the product of two, with or without a low-rank adapter on top.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "kernels/lora_linear.h"
#include "nn/dropout.h"

namespace tongueforge::nn {

/// scale * B A, trained beside a frozen weight (LoRA, Hu et al. 2021, arXiv 2106.09685).
struct Adapter {
  kernels::LowRank added;
  uint64_t number = 0;  // of the adapter within its model: each drops other values
  std::shared_ptr<const TrainingDropout> dropout;
};

/// W = out_OR in_RI: what a low-rank approximation leaves of a weight.
struct Factors {
  int64_t rank = 0;
  at::Tensor out_OR, in_RI;  // undefined until they are read
};

/// Another way to multiply with the numbers of a weight, sparse or quantised say. It has no gradient.
class Execution {
 public:
  virtual ~Execution() = default;
  /// (..., in) -> (..., out)
  virtual at::Tensor operator()(const at::Tensor& x, const at::Tensor& maybe_bias) const = 0;
  /// Memory on top of the weight's.
  virtual int64_t bytes() const = 0;
};

struct Linear {
  at::Tensor weight;  // (out, in); undefined where it is factored
  at::Tensor bias;    // (out), or undefined
  std::optional<Factors> factors;
  std::optional<Adapter> adapter;                     // not on top of factors
  std::shared_ptr<const Execution> execution;         // in place of the weight, where no gradient is recorded
  std::function<void(const at::Tensor& x)> observer;  // sees what goes in; set by ObserverScope alone

  /// (..., in) -> (..., out)
  at::Tensor operator()(const at::Tensor& x) const;
  /// (out, in): the weight, or the product of its factors.
  at::Tensor dense() const;
  /// Appends its tensors, those of the adapter included, to a list.
  void append_tensors(std::vector<at::Tensor>& all) const;
};

/// While it lives, a function sees each input of a linear layer. Nobody else may run the model meanwhile.
class ObserverScope {
 public:
  ObserverScope(Linear& linear, std::function<void(const at::Tensor& x)> observer) : linear_(&linear) {
    linear.observer = std::move(observer);
  }
  ~ObserverScope() {
    if (linear_) linear_->observer = nullptr;
  }
  ObserverScope(ObserverScope&& other) noexcept : linear_(std::exchange(other.linear_, nullptr)) {}
  ObserverScope& operator=(ObserverScope&&) = delete;

 private:
  Linear* linear_;
};

}  // namespace tongueforge::nn

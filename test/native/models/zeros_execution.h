// Another form of a weight that answers with zeros, so that it is seen whether it is asked.
#pragma once
#include "kernels/aten.h"
#include "nn/linear.h"

namespace tongueforge::test {

class ZerosExecution final : public nn::Execution {
 public:
  explicit ZerosExecution(const nn::Linear& linear) : outputs_(linear.weight.size(0)) {}

  at::Tensor operator()(const at::Tensor& x, const at::Tensor&) const override {
    auto shape = x.sizes().vec();
    shape.back() = outputs_;
    return at::zeros(shape);
  }
  int64_t bytes() const override { return 1; }

 private:
  int64_t outputs_;
};

inline void set_zeros_execution(nn::Linear& linear) {
  linear.execution = std::make_shared<ZerosExecution>(linear);
}

}  // namespace tongueforge::test

#include "nn/linear.h"

#include "kernels/aten.h"
#include "kernels/linear.h"

namespace tongueforge::nn {
at::Tensor Linear::operator()(const at::Tensor& x) const {
  if (observer) observer(x);
  if (adapter) {
    const auto dropout = adapter->dropout->of_adapter(adapter->number);
    return kernels::lora_linear(x, weight, bias, adapter->added, dropout);
  }
  if (execution && !at::GradMode::is_enabled()) return (*execution)(x, bias);
  if (factors) return kernels::linear(kernels::linear(x, factors->in_RI), factors->out_OR, bias);
  return kernels::linear(x, weight, bias);
}

at::Tensor Linear::dense() const { return factors ? at::matmul(factors->out_OR, factors->in_RI) : weight; }

void Linear::append_tensors(std::vector<at::Tensor>& all) const {
  if (factors)
    all.insert(all.end(), {factors->in_RI, factors->out_OR});
  else
    all.push_back(weight);
  if (bias.defined()) all.push_back(bias);
  if (adapter) all.insert(all.end(), {adapter->added.a_RI, adapter->added.b_OR});
}

}  // namespace tongueforge::nn

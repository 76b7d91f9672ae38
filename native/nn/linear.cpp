#include "nn/linear.h"

#include "core/random.h"
#include "kernels/linear.h"

namespace tongueforge::nn {
namespace {

kernels::DropoutKey dropout_of(const Adapter& adapter) {
  const auto& dropout = *adapter.dropout;
  if (!dropout.key || dropout.rate == 0) return {};
  return {dropout.rate, Random(*dropout.key + adapter.number).next()};
}

}  // namespace

at::Tensor Linear::operator()(const at::Tensor& x) const {
  if (adapter) return kernels::lora_linear(x, weight, bias, adapter->added, dropout_of(*adapter));
  return kernels::linear(x, weight, bias);
}

void Linear::append_tensors(std::vector<at::Tensor>& all) const {
  all.push_back(weight);
  if (bias.defined()) all.push_back(bias);
  if (adapter) all.insert(all.end(), {adapter->added.a_RI, adapter->added.b_OR});
}

}  // namespace tongueforge::nn

#include "op_run.h"

#include "kernels/autograd.h"

namespace tongueforge::test {

Tensors in_dtype(const Tensors& inputs, at::ScalarType dtype) {
  Tensors cast;
  for (const auto& input : inputs)
    cast.push_back(input.is_floating_point() ? input.detach().to(dtype, /*non_blocking=*/false, /*copy=*/true)
                                             : input);
  return cast;
}

Tensors transposed_layout(const Tensors& inputs) {
  Tensors moved;
  for (const auto& input : inputs) {
    const bool is_matrix = input.is_floating_point() && input.dim() >= 2;
    moved.push_back(is_matrix ? input.transpose(0, -2).contiguous().transpose(0, -2) : input);
    // Of a matrix, its columns; of heads (B,N,T,H), the order (T,N,B,H) in memory.
    if (is_matrix && input.dim() == 2) moved.back() = input.t().contiguous().t();
  }
  return moved;
}

Tensors unaligned_layout(const Tensors& inputs) {
  Tensors moved;
  for (const auto& input : inputs) {
    moved.push_back(input);
    if (!input.is_floating_point() || input.dim() == 0) continue;
    auto sizes = input.sizes().vec();
    sizes.back() += 2;
    moved.back() = at::empty(sizes, input.options()).narrow(-1, 1, input.size(-1)).copy_(input);
  }
  return moved;
}

Tensors on_device(const Tensors& tensors, at::Device device) {
  Tensors there;
  for (const auto& tensor : tensors) there.push_back(tensor.defined() ? tensor.to(device) : tensor);
  return there;
}

Pass run(const Op& op, const Tensors& inputs, const Tensors& cotangents) {
  Tensors leaves;
  for (const auto& input : inputs)
    leaves.push_back(input.is_floating_point() ? input.detach().requires_grad_(true) : input);
  const auto outputs = op(leaves);
  Tensors pulled;
  for (size_t i = 0; i < outputs.size(); i++) pulled.push_back(cotangents[i].to(outputs[i].options()));
  torch::autograd::backward(outputs, pulled);
  Pass pass;
  for (const auto& output : outputs) pass.outputs.push_back(output.detach());
  for (const auto& leaf : leaves)
    if (leaf.is_floating_point()) pass.gradients.push_back(leaf.grad());
  return pass;
}

Tensors draw_cotangents(const Op& op, const Tensors& inputs, Draw& draw) {
  const at::NoGradGuard no_grad;
  Tensors cotangents;
  for (const auto& output : op(inputs)) cotangents.push_back(draw.normal(output.sizes()));
  return cotangents;
}

}  // namespace tongueforge::test

#include "nn/activation.h"

#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::nn {

Activation activation_from_name(const std::string& name) {
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return Activation::gelu_tanh;
  if (name == "relu") return Activation::relu;
  throw Error("ERR_MODEL_CONFIG", str("Expected a known activation, received '", name, "'"),
              "Supported: gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, relu.");
}

at::Tensor activated(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    default:
      return at::relu(x);
  }
}

}  // namespace tongueforge::nn

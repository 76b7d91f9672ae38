#include "nn/sample_convolutions.h"

#include "kernels/aten.h"

namespace tongueforge::nn {
namespace {

// (1,C,T) -> (1,C,T)
at::Tensor normed(const SampleConvolution& layer, const at::Tensor& x_1CT) {
  const auto& [weight, bias, eps] = layer.norm;
  switch (layer.normed) {
    case SampleNorm::channel:
      return at::group_norm(x_1CT, x_1CT.size(1), weight, bias, eps);
    case SampleNorm::frame:
      return layer.norm(x_1CT.transpose(1, 2)).transpose(1, 2);
    default:
      return x_1CT;
  }
}

}  // namespace

int64_t SampleConvolutions::frames(int64_t samples) const {
  for (const auto& layer : layers)
    samples = samples < layer.kernel ? 0 : (samples - layer.kernel) / layer.stride + 1;
  return samples;
}

at::Tensor SampleConvolutions::operator()(const at::Tensor& samples_S, const Job* job) const {
  auto x_1CT = samples_S.view({1, 1, -1});
  for (const auto& layer : layers) {
    if (job) job->check();
    x_1CT = activated(normed(layer, at::conv1d(x_1CT, layer.weight, layer.bias, layer.stride)), activation);
  }
  return x_1CT.squeeze(0).transpose(0, 1);
}

}  // namespace tongueforge::nn

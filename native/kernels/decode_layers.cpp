#include "kernels/decode_layers.h"

#include <algorithm>

#include "kernels/aten.h"
#include "kernels/cuda/glue.h"
#include "kernels/decode_layers_cuda.h"

namespace tongueforge::kernels {
namespace {

constexpr int64_t kAccess = 16;  // bytes

std::vector<at::Tensor> tensors_of(const DecodeLayerTensors& l) {
  std::vector<at::Tensor> all = {l.attention_norm, l.mlp_norm, l.cache_k, l.cache_v};
  for (const auto* w : {&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down}) {
    all.push_back(w->weight);
    if (w->maybe_bias.defined()) all.push_back(w->maybe_bias);
  }
  return all;
}

bool has_aligned_rows(const at::Tensor& x) {
  const auto bytes = x.size(-1) * static_cast<int64_t>(x.element_size());
  return x.is_contiguous() && bytes % kAccess == 0 &&
         reinterpret_cast<uintptr_t>(x.const_data_ptr()) % kAccess == 0;
}

bool takes_tensor(const at::Tensor& x, const at::Tensor& of_layer) {
  return cuda::has_twin(x, of_layer) && of_layer.is_contiguous() &&
         reinterpret_cast<uintptr_t>(of_layer.const_data_ptr()) % kAccess == 0;
}

bool takes_layer(const at::Tensor& x, const DecodeLayerTensors& l) {
  const auto all = tensors_of(l);
  return l.k.weight.size(0) > 0 && l.gate.weight.size(0) > 0 && has_aligned_rows(l.down.weight) &&
         std::all_of(all.begin(), all.end(), [&](const at::Tensor& t) { return takes_tensor(x, t); });
}

cuda::DecodeWeight weight_of(const ThinWeight& w) {
  return {w.weight.const_data_ptr(), w.maybe_bias.defined() ? w.maybe_bias.const_data_ptr() : nullptr};
}

cuda::DecodeLayer layer_of(const DecodeLayerTensors& l, int64_t head_dim) {
  return {.attention_norm = l.attention_norm.const_data_ptr(),
          .mlp_norm = l.mlp_norm.const_data_ptr(),
          .q = weight_of(l.q),
          .k = weight_of(l.k),
          .v = weight_of(l.v),
          .o = weight_of(l.o),
          .gate = weight_of(l.gate),
          .up = weight_of(l.up),
          .down = weight_of(l.down),
          .cache_k = l.cache_k.mutable_data_ptr(),
          .cache_v = l.cache_v.mutable_data_ptr(),
          .window = l.window,
          .heads = static_cast<int32_t>(l.q.weight.size(0) / head_dim),
          .kv_heads = static_cast<int32_t>(l.k.weight.size(0) / head_dim),
          .inner = static_cast<int32_t>(l.gate.weight.size(0))};
}

using Layers = std::vector<DecodeLayerTensors>;

/// The layers of one launch, without the room that it takes.
cuda::DecodeLayers launch_of(const at::Tensor& x, const Layers& layers, size_t first,
                             const DecodeSetting& setting) {
  cuda::DecodeLayers launch = {};
  launch.count = static_cast<int32_t>(std::min<size_t>(cuda::kMostDecodeLayers, layers.size() - first));
  for (int i = 0; i < launch.count; i++)
    launch.layers[i] = layer_of(layers[first + static_cast<size_t>(i)], setting.head_dim);
  launch.batch = static_cast<int32_t>(x.size(0));
  launch.hidden = x.size(-1);
  launch.head_dim = setting.head_dim;
  launch.capacity = setting.cos.size(2);
  launch.cos = setting.cos.const_data_ptr(), launch.sin = setting.sin.const_data_ptr();
  launch.place = setting.place.const_data_ptr<int64_t>();
  launch.eps = static_cast<float>(setting.eps);
  return launch;
}

void run(cuda::DecodeLayers launch, const at::Tensor& x) {
  const int64_t batch = x.size(0), head_dim = launch.head_dim;
  const auto room = [&](const auto& value) {
    return at::empty({batch, cuda::most_of(launch, value)}, x.options());
  };
  using L = const cuda::DecodeLayer&;
  const auto qkv = room([&](L l) { return (l.heads + 2 * l.kv_heads) * head_dim; });
  const auto attended = room([&](L l) { return l.heads * head_dim; });
  const auto inner = room([](L l) { return l.inner; });
  launch.x = x.mutable_data_ptr();
  launch.qkv = qkv.mutable_data_ptr(), launch.attended = attended.mutable_data_ptr();
  launch.inner = inner.mutable_data_ptr();
  const auto partial = at::empty({cuda::decode_layers_partial(launch)}, x.options().dtype(at::kFloat));
  const auto counters = at::empty({cuda::decode_layers_counters(launch)}, x.options().dtype(at::kInt));
  launch.partial = partial.mutable_data_ptr<float>();
  launch.counters = reinterpret_cast<uint32_t*>(counters.mutable_data_ptr<int32_t>());
  cuda::decode_layers(cuda::element_of(x), launch, cuda::stream_of(x));
}

}  // namespace

bool takes_decode_layers(const at::Tensor& x, const Layers& layers, const DecodeSetting& setting) {
  if constexpr (!cuda::kBuilt) return false;
  if (!x.is_cuda() || at::GradMode::is_enabled() || x.scalar_type() == at::kDouble) return false;
  if (layers.empty() || !has_aligned_rows(x) || !takes_tensor(x, setting.cos) ||
      !takes_tensor(x, setting.sin) ||
      !std::all_of(layers.begin(), layers.end(), [&](const auto& l) { return takes_layer(x, l); }))
    return false;
  if constexpr (cuda::kBuilt) {
    const cuda::CurrentStream stream = cuda::stream_of(x);  // its device is asked
    for (size_t i = 0; i < layers.size(); i += cuda::kMostDecodeLayers)
      if (!cuda::takes_decode_layers(cuda::element_of(x), launch_of(x, layers, i, setting))) return false;
  }
  return true;
}

at::Tensor decode_layers(const at::Tensor& x_B1D, const Layers& layers, const DecodeSetting& setting) {
  const auto x = x_B1D.clone(at::MemoryFormat::Contiguous);
  if constexpr (cuda::kBuilt)
    for (size_t i = 0; i < layers.size(); i += cuda::kMostDecodeLayers)
      run(launch_of(x, layers, i, setting), x);
  return x;
}

}  // namespace tongueforge::kernels

#include "models/decoder.h"

#include <map>

#include "kernels/aten.h"
#include "kernels/linear.h"
#include "kernels/rms_norm.h"

namespace tongueforge::models {
namespace {

nn::Attention make_attention(const DecoderSpec& spec, const LayerSpec& layer) {
  nn::Attention attention;
  attention.num_heads = layer.num_heads;
  attention.num_kv_heads = layer.num_kv_heads;
  attention.head_dim = spec.head_dim;
  attention.eps = spec.rms_norm_eps;
  return attention;
}

// Positions of each token within its own document: 0 1 2 | 0 1 | 0 ... from segments (B,T).
at::Tensor packed_positions(const at::Tensor& segments_BT) {
  const auto index = at::arange(segments_BT.size(1)).expand_as(segments_BT);
  auto starts = at::ones_like(segments_BT, at::kBool);
  if (segments_BT.size(1) > 1) {
    const auto changed = segments_BT.slice(1, 1).ne(segments_BT.slice(1, 0, -1));
    starts.slice(1, 1).copy_(changed);
  }
  const auto start_index = index.where(starts, at::zeros_like(index));
  return index - std::get<0>(start_index.cummax(1));
}

// x += branch, where there is one; then the norm of x.
at::Tensor add_and_norm(at::Tensor& x_BTD, const at::Tensor& maybe_branch_BTD, const at::Tensor& weight,
                        double eps) {
  if (!maybe_branch_BTD.defined()) return kernels::rms_norm(x_BTD, weight, eps);
  at::Tensor norm_BTD;
  std::tie(x_BTD, norm_BTD) = kernels::add_rms_norm(x_BTD, maybe_branch_BTD, weight, eps);
  return norm_BTD;
}

// Layers with the same window share one visibility.
template <class Make>
std::vector<nn::Visibility> visibility_of_layers(const DecoderSpec& spec, const Make& make) {
  std::map<int64_t, nn::Visibility> by_window;
  std::vector<nn::Visibility> all;
  for (const auto& layer : spec.layers) {
    auto [it, added] = by_window.try_emplace(layer.window);
    if (added) it->second = make(layer.window);
    all.push_back(it->second);
  }
  return all;
}

}  // namespace

Decoder::Decoder(DecoderSpec spec) : spec_(std::move(spec)), layers_(spec_.layers.size()) {
  for (size_t i = 0; i < layers_.size(); i++) layers_[i].attention = make_attention(spec_, spec_.layers[i]);
}

std::vector<Parameter> Decoder::parameters() {
  using K = ParameterKind;
  const int64_t d = spec_.hidden_size, h = spec_.head_dim, v = spec_.vocab_size;
  std::vector<Parameter> all;
  const auto linear = [&](const std::string& name, nn::Linear& l, int64_t out, int64_t in, bool bias,
                          K kind) {
    all.push_back({name + ".weight", &l.weight, {out, in}, kind, &l});
    if (bias) all.push_back({name + ".bias", &l.bias, {out}, K::bias});
  };
  all.push_back({"model.embed_tokens.weight", &embedding_, {v, d}, K::embedding});
  for (size_t i = 0; i < layers_.size(); i++) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    auto& a = layers_[i].attention;
    auto& m = layers_[i].mlp;
    const int64_t n = a.num_heads * h, k = a.num_kv_heads * h, f = spec_.layers[i].intermediate_size;
    all.push_back({layer + "input_layernorm.weight", &layers_[i].attention_norm, {d}, K::norm});
    linear(layer + "self_attn.q_proj", a.q, n, d, spec_.qkv_bias, K::matrix);
    linear(layer + "self_attn.k_proj", a.k, k, d, spec_.qkv_bias, K::matrix);
    linear(layer + "self_attn.v_proj", a.v, k, d, spec_.qkv_bias, K::matrix);
    if (spec_.qk_norm) {
      all.push_back({layer + "self_attn.q_norm.weight", &a.q_norm, {h}, K::norm});
      all.push_back({layer + "self_attn.k_norm.weight", &a.k_norm, {h}, K::norm});
    }
    linear(layer + "self_attn.o_proj", a.o, d, n, spec_.o_bias, K::attention_output);
    all.push_back({layer + "post_attention_layernorm.weight", &layers_[i].mlp_norm, {d}, K::norm});
    linear(layer + "mlp.gate_proj", m.gate, f, d, spec_.mlp_bias, K::matrix);
    linear(layer + "mlp.up_proj", m.up, f, d, spec_.mlp_bias, K::matrix);
    linear(layer + "mlp.down_proj", m.down, d, f, spec_.mlp_bias, K::mlp_output);
  }
  all.push_back({"model.norm.weight", &final_norm_, {d}, K::norm});
  if (!spec_.tied_head) all.push_back({"lm_head.weight", &head_, {v, d}, K::head});
  return all;
}

at::Tensor Decoder::hidden(const at::Tensor& ids_BT, DecoderCache* cache, const Job* job) const {
  const int64_t past = cache ? cache->length : 0, time = ids_BT.size(1);
  const auto visibility =
      visibility_of_layers(spec_, [&](int64_t window) { return nn::causal_visibility(past, time, window); });
  auto x = run_layers(at::embedding(embedding_, ids_BT), at::arange(past, past + time), past + time,
                      visibility, cache, job);
  if (cache) cache->length += time;
  return x;
}

at::Tensor Decoder::hidden_packed(const at::Tensor& ids_BT, const at::Tensor& segments_BT,
                                  const Job* job) const {
  const auto documents =
      std::make_shared<const std::vector<kernels::PackedDocument>>(kernels::packed_documents(segments_BT));
  const auto visibility = visibility_of_layers(
      spec_, [&](int64_t window) { return nn::packed_visibility({documents, window, job}); });
  const auto positions_BT = packed_positions(segments_BT);
  const int64_t length = positions_BT.max().item<int64_t>() + 1;
  return run_layers(at::embedding(embedding_, ids_BT), positions_BT, length, visibility, nullptr, job);
}

at::Tensor Decoder::run_layers(at::Tensor x_BTD, const at::Tensor& positions, int64_t length,
                               const std::vector<nn::Visibility>& visibility, DecoderCache* cache,
                               const Job* job) const {
  const double eps = spec_.rms_norm_eps;
  const auto rotation = nn::rope_rotation(spec_.rope, spec_.head_dim, positions, length, x_BTD.scalar_type());
  const int64_t past = cache ? cache->length : 0;
  at::Tensor branch_BTD;  // what the block before adds to x
  for (size_t i = 0; i < layers_.size(); i++) {
    if (job) job->check();
    const auto& layer = layers_[i];
    const auto a_BTD = add_and_norm(x_BTD, branch_BTD, layer.attention_norm, eps);
    branch_BTD = layer.attention(a_BTD, rotation, visibility[i], cache ? &cache->layers[i] : nullptr, past);
    const auto m_BTD = add_and_norm(x_BTD, branch_BTD, layer.mlp_norm, eps);
    branch_BTD = layer.mlp(m_BTD);
  }
  return add_and_norm(x_BTD, branch_BTD, final_norm_, eps);
}

at::Tensor Decoder::logits(const at::Tensor& hidden) const { return kernels::linear(hidden, head()); }

DecoderCache Decoder::make_cache(int64_t batch, int64_t capacity) const {
  DecoderCache cache;
  for (const auto& layer : spec_.layers) {
    const std::vector<int64_t> shape = {batch, layer.num_kv_heads, capacity, spec_.head_dim};
    cache.layers.push_back({at::empty(shape, embedding_.options()), at::empty(shape, embedding_.options())});
  }
  return cache;
}

int64_t Decoder::bytes() const {
  int64_t total = 0;
  for (const auto& parameter : parameters()) total += static_cast<int64_t>(parameter.tensor->nbytes());
  return total;
}

}  // namespace tongueforge::models

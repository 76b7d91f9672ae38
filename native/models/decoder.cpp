#include "models/decoder.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/aten.h"
#include "kernels/embedding.h"
#include "kernels/linear.h"
#include "kernels/rms_norm.h"
#include "kernels/transfer.h"
#include "models/layer_visibility.h"
#include "nn/cut.h"
#include "nn/recompute.h"

namespace tongueforge::models {
namespace {

// Linear layers within a layer, and the head.
constexpr const char *kQ = "self_attn.q_proj", *kK = "self_attn.k_proj", *kV = "self_attn.v_proj",
                     *kO = "self_attn.o_proj";
constexpr const char *kGate = "mlp.gate_proj", *kUp = "mlp.up_proj", *kDown = "mlp.down_proj";
constexpr const char* kHead = "lm_head.weight";

std::string prefix_of(size_t layer) { return "model.layers." + std::to_string(layer) + "."; }

nn::Linear& linear_of(DecoderLayer& layer, const std::string& name) {
  auto& a = layer.attention;
  auto& m = layer.mlp;
  const std::pair<const char*, nn::Linear*> all[] = {
      {kQ, &a.q}, {kK, &a.k}, {kV, &a.v}, {kO, &a.o}, {kGate, &m.gate}, {kUp, &m.up}, {kDown, &m.down}};
  for (const auto& [known, linear] : all)
    if (name == known) return *linear;
  throw Error("ERR_MODEL_CONFIG", str("Expected a linear layer of a block to be factored, received ", name));
}

nn::Attention make_attention(const DecoderSpec& spec, const LayerSpec& layer) {
  nn::Attention attention;
  attention.num_heads = layer.num_heads;
  attention.num_kv_heads = layer.num_kv_heads;
  attention.head_dim = spec.head_dim;
  attention.eps = spec.rms_norm_eps;
  return attention;
}

// x += branch, where there is one; then the norm of x.
at::Tensor add_and_norm(at::Tensor& x_BTD, const at::Tensor& maybe_branch_BTD, const at::Tensor& weight,
                        double eps) {
  if (!maybe_branch_BTD.defined()) return kernels::rms_norm(x_BTD, weight, eps);
  at::Tensor norm_BTD;
  std::tie(x_BTD, norm_BTD) = kernels::add_rms_norm(x_BTD, maybe_branch_BTD, weight, eps);
  return norm_BTD;
}

}  // namespace

std::vector<at::Tensor> DecoderLayer::tensors() const {
  std::vector<at::Tensor> all = {attention_norm, mlp_norm};
  for (const auto& norm : {attention.q_norm, attention.k_norm})
    if (norm.defined()) all.push_back(norm);
  for (const auto* linear :
       {&attention.q, &attention.k, &attention.v, &attention.o, &mlp.gate, &mlp.up, &mlp.down})
    linear->append_tensors(all);
  return all;
}

Decoder::Decoder(DecoderSpec spec) : spec_(std::move(spec)), layers_(spec_.layers.size()) {
  for (size_t i = 0; i < layers_.size(); i++) {
    layers_[i].attention = make_attention(spec_, spec_.layers[i]);
    for (const auto& [name, rank] : spec_.layers[i].ranks)
      linear_of(layers_[i], name).factors = {rank, {}, {}};
  }
}

std::vector<Parameter> Decoder::parameters() {
  using K = ParameterKind;
  const int64_t d = spec_.hidden_size, h = spec_.head_dim, v = spec_.vocab_size;
  std::vector<Parameter> all;
  all.push_back({"model.embed_tokens.weight", &embedding_, {v, d}, K::embedding});
  for (size_t i = 0; i < layers_.size(); i++) {
    const std::string layer = prefix_of(i);
    auto& a = layers_[i].attention;
    auto& m = layers_[i].mlp;
    const int64_t n = a.num_heads * h, k = a.num_kv_heads * h, f = spec_.layers[i].intermediate_size;
    const auto norm = [&](const char* name, at::Tensor& weight, int64_t size) {
      all.push_back({layer + name + ".weight", &weight, {size}, K::norm});
    };
    const auto linear = [&](const char* name, nn::Linear& l, int64_t out, int64_t in, bool bias, K kind) {
      append_linear(all, layer + name, l, out, in, bias, kind);
    };
    norm("input_layernorm", layers_[i].attention_norm, d);
    linear(kQ, a.q, n, d, spec_.qkv_bias, K::matrix);
    linear(kK, a.k, k, d, spec_.qkv_bias, K::matrix);
    linear(kV, a.v, k, d, spec_.qkv_bias, K::matrix);
    if (spec_.qk_norm) {
      norm("self_attn.q_norm", a.q_norm, h);
      norm("self_attn.k_norm", a.k_norm, h);
    }
    linear(kO, a.o, d, n, spec_.o_bias, K::attention_output);
    norm("post_attention_layernorm", layers_[i].mlp_norm, d);
    linear(kGate, m.gate, f, d, spec_.mlp_bias, K::matrix);
    linear(kUp, m.up, f, d, spec_.mlp_bias, K::matrix);
    linear(kDown, m.down, d, f, spec_.mlp_bias, K::mlp_output);
  }
  all.push_back({"model.norm.weight", &final_norm_, {d}, K::norm});
  if (!spec_.tied_head) all.push_back({kHead, &head_, {v, d}, K::head});
  return all;
}

std::vector<TiedCopy> Decoder::tied_copies() const {
  if (!spec_.tied_head) return {};
  return {{kHead, "model.embed_tokens.weight"}};
}

// Old checkpoints carry rotary tables, which the model computes itself.
bool Decoder::is_derived(const std::string& name) const { return name.ends_with("rotary_emb.inv_freq"); }

std::vector<Block> Decoder::blocks() {
  std::vector<Block> all;
  for (size_t i = 0; i < layers_.size(); i++) {
    const std::string layer = prefix_of(i);
    auto& a = layers_[i].attention;
    auto& m = layers_[i].mlp;
    all.push_back({layer,
                   {layer + kQ, &a.q},
                   {layer + kK, &a.k},
                   {layer + kV, &a.v},
                   {layer + kO, &a.o},
                   {{layer + kGate, &m.gate}, {layer + kUp, &m.up}},
                   {layer + kDown, &m.down},
                   spec_.head_dim,
                   spec_.layers[i]});
  }
  return all;
}

void Decoder::resize_block(size_t i, const LayerSizes& sizes) {
  static_cast<LayerSizes&>(spec_.layers.at(i)) = sizes;
  layers_[i].attention.num_heads = sizes.num_heads;
  layers_[i].attention.num_kv_heads = sizes.num_kv_heads;
}

void Decoder::keep_blocks(const std::vector<size_t>& kept) {
  std::vector<LayerSpec> specs;
  std::vector<DecoderLayer> layers;
  for (const size_t i : kept) {
    specs.push_back(spec_.layers.at(i));
    layers.push_back(layers_.at(i));
  }
  spec_.layers = std::move(specs);
  layers_ = std::move(layers);
}

void Decoder::keep_channels(const at::Tensor& kept_K) {
  const auto* const first = kept_K.const_data_ptr<int64_t>();
  const std::vector<int64_t> kept(first, first + kept_K.numel());
  for (auto* table : {&embedding_, &head_}) nn::keep_units(*table, 1, kept);
  nn::keep_units(final_norm_, 0, kept);
  for (auto& layer : layers_) {
    for (auto* norm : {&layer.attention_norm, &layer.mlp_norm}) nn::keep_units(*norm, 0, kept);
    for (auto* reader :
         {&layer.attention.q, &layer.attention.k, &layer.attention.v, &layer.mlp.gate, &layer.mlp.up})
      nn::keep_inputs(*reader, kept);
    for (auto* writer : {&layer.attention.o, &layer.mlp.down}) nn::keep_outputs(*writer, kept);
  }
  spec_.hidden_size = static_cast<int64_t>(kept.size());
}

at::Tensor Decoder::embed(const Rows& rows) const {
  return kernels::embedding(embedding_, kernels::to_device(rows.ids_BT, device()));
}

at::Tensor Decoder::run_block(size_t i, const at::Tensor& x_BTD, const Rows& rows, const Job* job) const {
  const auto out = block_on(i, {x_BTD, {}}, *packed_pass(rows, job));
  return out.x_BTD + out.branch_BTD;
}

at::Tensor Decoder::hidden(const at::Tensor& ids_BT, DecoderCache* cache, const Job* job) const {
  const int64_t past = cache ? cache->length : 0, time = ids_BT.size(1);
  const auto visibility = visibility_of_layers(spec_.layers, [&](int64_t window) {
    auto causal = nn::causal_visibility(past, time, window);
    if (causal.mask.defined()) causal.mask = causal.mask.to(device());
    return causal;
  });
  const auto rotation = rotation_of(at::arange(past, past + time), past + time);
  auto x = run_layers(kernels::embedding(embedding_, ids_BT.to(device())),
                      std::make_shared<Pass>(Pass{rotation, visibility, cache, job}));
  if (cache) cache->length += time;
  return x;
}

at::Tensor Decoder::hidden_packed(const Rows& rows, const Job* job) const {
  return run_layers(embed(rows), packed_pass(rows, job));
}

at::Tensor Decoder::hidden_planned(const PlannedRows& rows, const Job* job) const {
  return run_layers(kernels::embedding(embedding_, rows.ids_BT), pass_of(rows.plan, rows.rotation, job));
}

HiddenStates Decoder::hidden_states(const Rows& rows, const std::vector<size_t>& behind,
                                    const Job* job) const {
  HiddenStates states = {{}, std::vector<at::Tensor>(behind.size())};
  const Watch watch = {
      [&](size_t passed) { return std::find(behind.begin(), behind.end(), passed) != behind.end(); },
      [&](size_t passed, const at::Tensor& x_BTD) { states.keep(behind, passed, x_BTD); }};
  states.last_BTD = run_layers(embed(rows), packed_pass(rows, job), &watch);
  return states;
}

std::shared_ptr<const Decoder::Pass> Decoder::packed_pass(const Rows& rows, const Job* job) const {
  const auto plan = kernels::packed_plan(rows.segments_BT, embedding_.device());
  return pass_of(plan, rotation_of(*plan), job);
}

std::shared_ptr<const Decoder::Pass> Decoder::pass_of(const std::shared_ptr<const kernels::PackedPlan>& plan,
                                                      const nn::Rotation& rotation, const Job* job) const {
  const auto visibility = visibility_of_layers(
      spec_.layers, [&](int64_t window) { return nn::packed_visibility({plan, window, job}); });
  return std::make_shared<Pass>(Pass{rotation, visibility, nullptr, job});
}

nn::Rotation Decoder::rotation_of(const kernels::PackedPlan& plan) const {
  return rotation_of(plan.positions_BT, plan.longest);
}

nn::Rotation Decoder::rotation_of(const at::Tensor& positions, int64_t length) const {
  return nn::rope_rotation(spec_.rope, spec_.head_dim, positions.to(device()), length, dtype());
}

at::Tensor Decoder::run_layers(const at::Tensor& x_BTD, const std::shared_ptr<const Pass>& pass,
                               const Watch* watch) const {
  Stream stream = {x_BTD, {}};
  const auto show = [&](size_t passed) {
    if (!watch || !watch->wants(passed)) return;
    if (stream.branch_BTD.defined()) stream = {stream.x_BTD.add(stream.branch_BTD), {}};
    watch->see(passed, stream.x_BTD);
    // What comes back from the blocks above is one sum before what the watcher adds to it, recomputed or not.
    stream.x_BTD = stream.x_BTD.view_as(stream.x_BTD);
  };
  show(0);
  for (size_t i = 0; i < layers_.size(); i++) {
    stream = recompute_blocks_ ? recomputed_block(i, stream, pass) : block_on(i, std::move(stream), *pass);
    show(i + 1);
  }
  return add_and_norm(stream.x_BTD, stream.branch_BTD, final_norm_, spec_.rms_norm_eps);
}

Decoder::Stream Decoder::block_on(size_t i, Stream stream, const Pass& pass) const {
  if (pass.job) pass.job->check();
  const auto& layer = layers_[i];
  auto& [x_BTD, branch_BTD] = stream;
  const double eps = spec_.rms_norm_eps;
  nn::KvCache* const cache = pass.cache ? &pass.cache->layers[i] : nullptr;
  const int64_t past = pass.cache ? pass.cache->length : 0;
  const auto a_BTD = add_and_norm(x_BTD, branch_BTD, layer.attention_norm, eps);
  branch_BTD = layer.attention(a_BTD, pass.rotation, pass.visibility[i], cache, past);
  const auto m_BTD = add_and_norm(x_BTD, branch_BTD, layer.mlp_norm, eps);
  branch_BTD = layer.mlp(m_BTD);
  return stream;
}

// The second time, too, values are dropped by the key of the forward pass, whatever it is by then.
Decoder::Stream Decoder::recomputed_block(size_t i, const Stream& stream,
                                          const std::shared_ptr<const Pass>& pass) const {
  const auto dropout = this->dropout();
  const auto block = [this, i, pass, dropout, key = dropout->key](const std::vector<at::Tensor>& inputs) {
    const nn::DropoutScope scope(*dropout, key);
    const auto out = block_on(i, {inputs[0], inputs.size() > 1 ? inputs[1] : at::Tensor()}, *pass);
    return std::vector<at::Tensor>{out.x_BTD, out.branch_BTD};
  };
  std::vector<at::Tensor> inputs = {stream.x_BTD};
  if (stream.branch_BTD.defined()) inputs.push_back(stream.branch_BTD);
  const auto out = nn::recomputed(block, inputs, layers_[i].tensors());
  return {out[0], out[1]};
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

const Decoder& as_decoder(const Model& model) {
  if (const auto* decoder = dynamic_cast<const Decoder*>(&model)) return *decoder;
  throw Error("ERR_MODEL_CONFIG", "Expected a decoder, received a model of another kind",
              "Language models predict the next token: use one of the decoders.");
}

}  // namespace tongueforge::models

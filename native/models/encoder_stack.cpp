#include "models/encoder_stack.h"

#include "core/error.h"
#include "kernels/aten.h"
#include "nn/recompute.h"

namespace tongueforge::models {
namespace {

using K = ParameterKind;

nn::Linear& linear_of(const EncoderLayerNames& names, nn::EncoderLayer& l, const std::string& name) {
  const std::pair<const char*, nn::Linear*> all[] = {{names.q, &l.q},         {names.k, &l.k},
                                                     {names.v, &l.v},         {names.o, &l.o},
                                                     {names.widen, &l.widen}, {names.narrow, &l.narrow}};
  for (const auto& [known, linear] : all)
    if (name == known) return *linear;
  throw Error("ERR_MODEL_CONFIG", str("Expected a linear layer of a block to be factored, received ", name));
}

}  // namespace

EncoderStack::EncoderStack(EncoderStackSpec spec, const std::vector<EncoderLayerSpec>& layers)
    : spec_(std::move(spec)) {
  for (size_t i = 0; i < layers.size(); i++) layers_.push_back({layers[i], make_layer(layers[i], i)});
}

nn::EncoderLayer EncoderStack::make_layer(const EncoderLayerSpec& sizes, size_t number) const {
  nn::EncoderLayer layer;
  layer.num_heads = sizes.num_heads;
  layer.head_dim = spec_.head_dim;
  layer.activation = spec_.activation;
  layer.norm_first = spec_.norm_first;
  layer.attention_norm.eps = layer.mlp_norm.eps = spec_.layer_norm_eps;
  layer.dropout = spec_.dropout;
  layer.number = number;
  for (const auto& [name, rank] : sizes.ranks) linear_of(spec_.names, layer, name).factors = {rank, {}, {}};
  return layer;
}

std::string EncoderStack::prefix_of(size_t i) const { return spec_.prefix + std::to_string(i) + "."; }

void EncoderStack::append_parameters(std::vector<Parameter>& all) {
  for (size_t i = 0; i < layers_.size(); i++) append_layer(all, i);
}

void EncoderStack::append_layer(std::vector<Parameter>& all, size_t i) {
  auto& [sizes, layer] = layers_[i];
  const auto& names = spec_.names;
  const int64_t d = spec_.hidden_size, n = layer.num_heads * layer.head_dim, f = sizes.intermediate_size;
  const auto linear = [&](const char* name, nn::Linear& l, int64_t out, int64_t in, K kind) {
    append_linear(all, prefix_of(i) + name, l, out, in, /*bias=*/true, kind);
  };
  const auto norm = [&](const char* name, nn::LayerNorm& l) { append_norm(all, prefix_of(i) + name, l, d); };
  if (spec_.norm_first) norm(names.attention_norm, layer.attention_norm);
  linear(names.q, layer.q, n, d, K::matrix);
  linear(names.k, layer.k, n, d, K::matrix);
  linear(names.v, layer.v, n, d, K::matrix);
  linear(names.o, layer.o, d, n, K::attention_output);
  if (!spec_.norm_first) norm(names.attention_norm, layer.attention_norm);
  if (spec_.norm_first) norm(names.mlp_norm, layer.mlp_norm);
  linear(names.widen, layer.widen, f, d, K::matrix);
  linear(names.narrow, layer.narrow, d, f, K::mlp_output);
  if (!spec_.norm_first) norm(names.mlp_norm, layer.mlp_norm);
}

std::vector<Block> EncoderStack::blocks() {
  std::vector<Block> all;
  for (size_t i = 0; i < layers_.size(); i++) {
    auto& [sizes, l] = layers_[i];
    const auto& names = spec_.names;
    Block block;
    block.prefix = prefix_of(i);
    block.q = {block.prefix + names.q, &l.q};
    block.k = {block.prefix + names.k, &l.k};
    block.v = {block.prefix + names.v, &l.v};
    block.o = {block.prefix + names.o, &l.o};
    block.widen = {{block.prefix + names.widen, &l.widen}};
    block.narrow = {block.prefix + names.narrow, &l.narrow};
    block.head_dim = l.head_dim;
    block.sizes = sizes;
    all.push_back(std::move(block));
  }
  return all;
}

void EncoderStack::resize_block(size_t i, const LayerSizes& sizes) {
  TORCH_CHECK(sizes.num_kv_heads == sizes.num_heads, "an encoder has as many kv heads as heads");
  auto& layer = layers_.at(i);
  static_cast<LayerSizes&>(layer.sizes) = sizes;
  layer.layer.num_heads = sizes.num_heads;
}

void EncoderStack::keep_blocks(const std::vector<size_t>& kept) {
  std::vector<Layer> layers;
  for (const size_t i : kept) layers.push_back(layers_.at(i));
  layers_ = std::move(layers);
}

at::Tensor EncoderStack::run_block(size_t i, const at::Tensor& x_BTD,
                                   const nn::Visibility& visibility) const {
  return layers_[i].layer(x_BTD, visibility);
}

HiddenStates EncoderStack::run(const at::Tensor& x_BTD, const std::vector<size_t>& behind,
                               const EncoderPass& pass) const {
  HiddenStates states = {x_BTD, std::vector<at::Tensor>(behind.size())};
  auto& x = states.last_BTD;
  if (spec_.dropout) x = kernels::dropped(x, spec_.dropout->of_residual(0));
  // What comes back from the blocks above is one sum before what is kept adds to it, recomputed or not.
  const auto keep = [&](size_t passed) {
    if (states.keep(behind, passed, x)) x = x.view_as(x);
  };
  keep(0);
  for (size_t i = 0; i < layers_.size(); i++) {
    if (pass.job) pass.job->check();
    x = pass.recompute ? recomputed_block(i, x, pass) : run_block(i, x, *pass.visibility);
    keep(i + 1);
  }
  return states;
}

// The second time, too, it drops by the key of the forward pass, whatever it is by then.
at::Tensor EncoderStack::recomputed_block(size_t i, const at::Tensor& x_BTD, const EncoderPass& pass) const {
  const auto block = [this, i, visibility = pass.visibility, dropout = pass.recompute,
                      key = pass.recompute->key](const std::vector<at::Tensor>& inputs) {
    const nn::DropoutScope scope(*dropout, key);
    return std::vector<at::Tensor>{run_block(i, inputs[0], *visibility)};
  };
  return nn::recomputed(block, {x_BTD}, layers_[i].layer.tensors())[0];
}

}  // namespace tongueforge::models

// The passes of a decoder that generation is made of: one token a sequence, over a cache or a pool of pages.
#include <algorithm>

#include "kernels/aten.h"
#include "kernels/decode_layers.h"
#include "kernels/rms_norm.h"
#include "kernels/row_product.h"
#include "models/decoder.h"
#include "models/layer_visibility.h"
#include "nn/side_by_side.h"

namespace tongueforge::models {
namespace {

kernels::ThinWeight weight_of(const nn::Linear& layer) { return {layer.weight, layer.bias}; }

bool is_plain(const DecoderLayer& layer) {
  const auto& a = layer.attention;
  const auto& m = layer.mlp;
  const nn::Linear* const all[] = {&a.q, &a.k, &a.v, &a.o, &m.gate, &m.up, &m.down};
  return !a.q_norm.defined() && !a.k_norm.defined() &&
         std::all_of(std::begin(all), std::end(all),
                     [](const auto* linear) { return nn::is_plain(*linear); });
}

/// The layers as one launch takes them; none where one of them is more than its weights.
std::vector<kernels::DecodeLayerTensors> plain_layers(const DecoderSpec& spec,
                                                      const std::vector<DecoderLayer>& layers,
                                                      const DecoderCache& cache) {
  if (!std::all_of(layers.begin(), layers.end(), [](const DecoderLayer& l) { return is_plain(l); }))
    return {};
  std::vector<kernels::DecodeLayerTensors> all;
  for (size_t i = 0; i < layers.size(); i++) {
    const auto& [attention_norm, mlp_norm, a, m] = layers[i];
    all.push_back({attention_norm, mlp_norm, weight_of(a.q), weight_of(a.k), weight_of(a.v), weight_of(a.o),
                   weight_of(m.gate), weight_of(m.up), weight_of(m.down), cache.layers[i].k_BKSH,
                   cache.layers[i].v_BKSH, spec.layers[i].window});
  }
  return all;
}

}  // namespace

at::Tensor Decoder::next_hidden(const at::Tensor& ids_B1, DecoderCache& cache, const NextPlace& next) const {
  const auto x_B1D = at::embedding(embedding_, ids_B1);
  const kernels::DecodeSetting setting = {next.table.cos, next.table.sin, next.place, spec_.head_dim,
                                          spec_.rms_norm_eps};
  if (const auto layers = plain_layers(spec_, layers_, cache);
      kernels::takes_decode_layers(x_B1D, layers, setting))
    return kernels::rms_norm(kernels::decode_layers(x_B1D, layers, setting), final_norm_, spec_.rms_norm_eps);
  const auto visibility = visibility_of_layers(
      spec_.layers, [&](int64_t window) { return nn::next_token_visibility({next.place, window}); });
  return run_layers(x_B1D, std::make_shared<Pass>(Pass{next.table, visibility, &cache, nullptr}));
}

at::Tensor Decoder::paged_hidden(const at::Tensor& ids_M1,
                                 const std::shared_ptr<const kernels::PagedRows>& rows,
                                 const nn::Rotation& table, DecoderCache& pool, const Job* job) const {
  const kernels::RowwiseScope each_row_alone;
  std::vector<int64_t> places;
  for (const auto& row : rows->rows) places.push_back(row.place);
  const auto place_M = at::tensor(places, at::kLong);
  const auto of_rows = [&](const at::Tensor& all_11SH) {
    return all_11SH.index_select(2, place_M).permute({2, 0, 1, 3}).contiguous();
  };
  const auto visibility = visibility_of_layers(
      spec_.layers, [&](int64_t window) { return nn::paged_visibility({rows, window}); });
  return run_layers(
      at::embedding(embedding_, ids_M1),
      std::make_shared<Pass>(Pass{{of_rows(table.cos), of_rows(table.sin)}, visibility, &pool, job}));
}

DecoderCache Decoder::make_pool(int64_t pages) const {
  DecoderCache pool;
  for (const auto& layer : spec_.layers) {
    const int64_t k = layer.num_kv_heads, h = spec_.head_dim, s = kernels::kPageSize;
    pool.layers.push_back({at::empty({pages, k, h, s}, embedding_.options()),
                           at::empty({pages, k, s, h}, embedding_.options())});
  }
  return pool;
}

std::optional<NextPlace> Decoder::make_places(int64_t capacity) const {
  if (spec_.rope.kind == nn::RopeKind::dynamic && capacity > spec_.rope.original_max_positions)
    return std::nullopt;
  return NextPlace{at::zeros({1}, at::TensorOptions(device()).dtype(at::kLong)),
                   rotation_of(at::arange(capacity), capacity)};
}

}  // namespace tongueforge::models

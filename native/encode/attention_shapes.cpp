#include "encode/attention_shapes.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::encode {
namespace {

constexpr int64_t kBlockNumbers = 1 << 19;  // probabilities at a time, of all heads together: 2 MB

// (T,D) -> (N,T,H) float32: past the observers, which would hear of it.
at::Tensor by_head(const nn::Linear& linear, const at::Tensor& x_TD, int64_t head_dim) {
  const auto y_TO = at::linear(x_TD, linear.dense(), linear.bias);
  return y_TO.unflatten(1, {-1, head_dim}).transpose(0, 1).to(at::kFloat).contiguous();
}

// Sums over the places that look, float64.
struct Sums {
  at::Tensor distance_N, entropy_N, columns_NT;

  Sums(int64_t heads, int64_t places, at::Device device) {
    const auto options = at::TensorOptions(at::kDouble).device(device);
    distance_N = at::zeros({heads}, options);
    entropy_N = at::zeros({heads}, options);
    columns_NT = at::zeros({heads, places}, options);
  }

  /// log_NQT: log A of places from `first` on.
  void add(const at::Tensor& log_NQT, int64_t first) {
    const auto a_NQT = log_NQT.exp();
    const auto looking_Q1 = at::arange(first, first + log_NQT.size(1), log_NQT.options()).unsqueeze(1);
    const auto seen_T = at::arange(log_NQT.size(2), log_NQT.options());
    distance_N += (a_NQT * (looking_Q1 - seen_T).abs()).sum(at::IntArrayRef{1, 2}, false, at::kDouble);
    entropy_N -= (a_NQT * log_NQT).sum(at::IntArrayRef{1, 2}, false, at::kDouble);
    columns_NT += a_NQT.sum(1, false, at::kDouble);
  }

  std::vector<HeadShape> shapes() const {
    const auto places = static_cast<double>(columns_NT.size(1));
    const auto mean_NT = columns_NT / places;
    const auto told_3N =
        at::stack({-distance_N / (places * places), at::xlogy(mean_NT, mean_NT).sum(1), entropy_N / places})
            .cpu();
    const auto told = told_3N.accessor<double, 2>();
    std::vector<HeadShape> all;
    for (int64_t head = 0; head < told.size(1); head++)
      all.push_back({told[0][head], told[1][head], told[2][head]});
    return all;
  }
};

// x_TD: what goes into q and k. Encoders have a key head for every query head.
std::vector<HeadShape> shapes_of(const models::Block& block, const at::Tensor& x_TD, const Job& job) {
  const auto q_NTH = by_head(*block.q.linear, x_TD, block.head_dim);
  const auto k_NHT = by_head(*block.k.linear, x_TD, block.head_dim).transpose(1, 2);
  const double scale = 1 / std::sqrt(static_cast<double>(block.head_dim));
  const int64_t heads = q_NTH.size(0), places = q_NTH.size(1);
  const int64_t step = std::max<int64_t>(1, kBlockNumbers / (heads * places));
  Sums sums(heads, places, x_TD.device());
  for (int64_t first = 0; first < places; first += step) {
    job.check();
    const auto q_NQH = q_NTH.narrow(1, first, std::min(step, places - first));
    sums.add(at::log_softmax(at::matmul(q_NQH, k_NHT).mul_(scale), -1), first);
  }
  return sums.shapes();
}

void check_finite(const std::vector<HeadShape>& shapes, size_t layer) {
  for (size_t head = 0; head < shapes.size(); head++)
    if (!std::isfinite(shapes[head].globality))
      throw Error("ERR_NON_FINITE",
                  str("Expected finite attention in layer ", layer, ", head ", head, ", received NaN"),
                  "tongueforge inspect --scan shows which weights hold NaN or infinity.");
}

}  // namespace

std::vector<std::vector<HeadShape>> attention_shapes(const models::Model& model, const models::Rows& document,
                                                     Job& job) {
  const at::NoGradGuard no_grad;
  const auto blocks = model.blocks();
  std::vector<std::vector<HeadShape>> all(blocks.size());
  std::vector<nn::ObserverScope> scopes;
  for (size_t layer = 0; layer < blocks.size(); layer++)
    scopes.emplace_back(*blocks[layer].q.linear, [&, layer](const at::Tensor& x_BTD) {
      all[layer] = shapes_of(blocks[layer], x_BTD[0], job);
      check_finite(all[layer], layer);
    });
  model.hidden_packed(document, &job);
  return all;
}

}  // namespace tongueforge::encode

// The shape of attention against its definition, written out in plain loops in float64.
#include "encode/attention_shapes.h"

#include <cmath>

#include "cancels_after.h"
#include "core/error.h"
#include "kernels/aten.h"
#include "models/tiny_encoder.h"
#include "models/tiny_speech.h"

// Last: libtorch has a CHECK of its own, which ends the program.
#include "doctest.h"

using namespace tongueforge;
using namespace tongueforge::test;
using encode::attention_shapes;
using encode::HeadShape;

namespace {

models::Rows words(const std::vector<int64_t>& ids) {
  const auto ids_BT = at::tensor(ids, at::kLong).unsqueeze(0);
  return {ids_BT, at::zeros_like(ids_BT)};
}

std::vector<double> row_of(const at::Tensor& matrix, int64_t row) {
  const auto line = matrix[row].to(at::kDouble).contiguous();
  return {line.data_ptr<double>(), line.data_ptr<double>() + line.numel()};
}

std::vector<double> softmax(std::vector<double> scores) {
  double most = scores[0], sum = 0;
  for (const double score : scores) most = std::max(most, score);
  for (double& score : scores) sum += score = std::exp(score - most);
  for (double& score : scores) score /= sum;
  return scores;
}

double entropy(const std::vector<double>& p) {
  double sum = 0;
  for (const double share : p) sum -= share > 0 ? share * std::log(share) : 0;
  return sum;
}

// Of a head whose probabilities are given place by place, as the paper defines it.
HeadShape defined(const std::vector<std::vector<double>>& a) {
  const auto places = static_cast<double>(a.size());
  HeadShape shape;
  std::vector<double> mean(a.size());
  for (size_t q = 0; q < a.size(); q++) {
    shape.globality += entropy(a[q]) / places;
    for (size_t k = 0; k < a.size(); k++) {
      const double far = std::abs(static_cast<double>(q) - static_cast<double>(k)) / places;
      shape.diagonality -= far * a[q][k] / places;
      mean[k] += a[q][k] / places;
    }
  }
  shape.verticality = -entropy(mean);
  return shape;
}

// From what goes into a block.
HeadShape reference(const models::Block& block, const at::Tensor& x_TD, int64_t head) {
  const auto part = [&](const nn::Linear& linear) {
    return at::linear(x_TD, linear.weight, linear.bias).narrow(1, head * block.head_dim, block.head_dim);
  };
  const auto q_TH = part(*block.q.linear), k_TH = part(*block.k.linear);
  std::vector<std::vector<double>> keys, a;
  for (int64_t k = 0; k < k_TH.size(0); k++) keys.push_back(row_of(k_TH, k));
  for (int64_t q = 0; q < q_TH.size(0); q++) {
    const auto query = row_of(q_TH, q);
    std::vector<double> scores;
    for (const auto& key : keys) {
      double dot = 0;
      for (size_t i = 0; i < key.size(); i++) dot += query[i] * key[i];
      scores.push_back(dot / std::sqrt(static_cast<double>(block.head_dim)));
    }
    a.push_back(softmax(scores));
  }
  return defined(a);
}

void close(const HeadShape& a, const HeadShape& b, double tolerance) {
  CHECK(std::abs(a.diagonality - b.diagonality) < tolerance);
  CHECK(std::abs(a.verticality - b.verticality) < tolerance);
  CHECK(std::abs(a.globality - b.globality) < tolerance);
}

// Every head of a model of one block for each number of heads it has, against the reference.
void check_against_reference(models::Model& model, const models::Rows& document) {
  const at::NoGradGuard no_grad;
  SilentJob job;
  const auto shapes = attention_shapes(model, document, job);
  const auto blocks = model.blocks();
  REQUIRE(shapes.size() == blocks.size());
  auto x_BTD = model.embed(document);
  for (size_t layer = 0; layer < blocks.size(); layer++) {
    REQUIRE(static_cast<int64_t>(shapes[layer].size()) == blocks[layer].sizes.num_heads);
    for (size_t head = 0; head < shapes[layer].size(); head++) {
      CAPTURE(layer);
      CAPTURE(head);
      close(shapes[layer][head], reference(blocks[layer], x_BTD[0], static_cast<int64_t>(head)), 1e-5);
    }
    x_BTD = model.run_block(layer, x_BTD, document, nullptr);
  }
}

}  // namespace

TEST_CASE("the shape of attention is what its definition says, of sound and of text") {
  for (uint64_t seed = 1; seed <= 3; seed++) {
    CAPTURE(seed);
    for (const auto& spec : {tiny_melhubert_spec(), tiny_hubert_spec()}) {
      const auto model = tiny_speech(spec, seed);
      check_against_reference(*model, noise_rows(*model, {spec.frame_width > 0 ? 23 : 470}, seed));
    }
    const auto text = tiny_encoder(tiny_encoder_spec(), seed);
    check_against_reference(*text, words({2, 17, 5, 9, 30, 30, 4}));
  }
}

TEST_CASE("a long document is taken in blocks, and comes out as its definition says") {
  auto spec = tiny_melhubert_spec();
  spec.layers.resize(1);
  const auto model = tiny_speech(spec, 4);
  check_against_reference(*model, noise_rows(*model, {1200}, 4));  // 3 x 1200 x 1200: eight blocks and a part
}

TEST_CASE("attention that is alike everywhere has the shape of a uniform distribution") {
  SilentJob job;
  const auto model = tiny_speech(tiny_melhubert_spec());
  for (const auto& block : model->blocks()) {
    block.q.linear->weight.zero_();
    block.q.linear->bias.zero_();
  }
  for (const int64_t places : {1, 2, 9, 100}) {
    CAPTURE(places);
    const auto t = static_cast<double>(places);
    for (const auto& layer : attention_shapes(*model, noise_rows(*model, {places}, 2), job))
      for (const auto& head : layer)
        close(head, {-(t * t - 1) / (3 * t * t), -std::log(t), std::log(t)}, 1e-6);
  }
}

TEST_CASE("attention to one place from everywhere is vertical, and neither global nor diagonal") {
  SilentJob job;
  const auto model = tiny_encoder();
  const auto blocks = model->blocks();
  // Queries say 1 in one direction, whatever they see; keys say how much they are like the word at place 3.
  const auto document = words({2, 17, 5, 9, 30, 31, 4});
  const auto x_TD = model->embed(document)[0];
  const auto& first = blocks[0];
  for (const auto* linear : {first.q.linear, first.k.linear}) linear->weight.zero_();
  for (const auto* linear : {first.q.linear, first.k.linear}) linear->bias.zero_();
  for (int64_t head = 0; head < 3; head++) {
    first.q.linear->bias[head * first.head_dim].fill_(1);
    const auto apart = x_TD[3] - x_TD.mean(0);
    first.k.linear->weight[head * first.head_dim].copy_(apart / apart.norm() * 1000);
  }
  const double mean_distance = (3 + 2 + 1 + 0 + 1 + 2 + 3) / 49.0;
  const auto shapes = attention_shapes(*model, document, job);
  for (const auto& head : shapes[0]) close(head, {-mean_distance, 0, 0}, 1e-6);
}

TEST_CASE("a document twice has the same shape to the last bit, and nobody listens any more") {
  SilentJob job;
  CancelsAfter cancels(4);
  const auto model = tiny_speech(tiny_melhubert_spec());
  const auto rows = noise_rows(*model, {40}, 3);
  const auto once = attention_shapes(*model, rows, job);
  CHECK_THROWS_AS(attention_shapes(*model, rows, cancels), Cancelled);
  for (const auto& block : model->blocks()) CHECK_FALSE(static_cast<bool>(block.q.linear->observer));
  const auto twice = attention_shapes(*model, rows, job);
  for (size_t layer = 0; layer < once.size(); layer++)
    for (size_t head = 0; head < once[layer].size(); head++) {
      CHECK(once[layer][head].diagonality == twice[layer][head].diagonality);
      CHECK(once[layer][head].verticality == twice[layer][head].verticality);
      CHECK(once[layer][head].globality == twice[layer][head].globality);
    }
}

TEST_CASE("weights that are no numbers are refused with layer and head") {
  SilentJob job;
  const auto model = tiny_speech(tiny_melhubert_spec());
  const auto block = model->blocks()[1];
  block.k.linear->weight[block.head_dim].fill_(NAN);
  try {
    attention_shapes(*model, noise_rows(*model, {9}, 3), job);
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.code() == "ERR_NON_FINITE");
    CHECK(error.message() == "Expected finite attention in layer 1, head 1, received NaN");
    CHECK(error.hint() == "tongueforge inspect --scan shows which weights hold NaN or infinity.");
  }
}

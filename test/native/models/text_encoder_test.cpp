#include "models/text_encoder.h"

#include <set>

#include "core/error.h"
#include "kernels/aten.h"
#include "models/tiny_encoder.h"
#include "nn/encoder_layer.h"

// Last: libtorch has a CHECK of its own, which ends the program.
#include "doctest.h"

using namespace tongueforge;

namespace {

// Three documents and padding in the first row, one document in the second.
models::Rows packed_rows(uint64_t seed) {
  const auto generator = at::detail::createCPUGenerator(seed);
  const auto segments =
      at::tensor({0, 0, 0, 1, 1, 1, 1, 2, 2, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, at::kLong).view({2, 10});
  return {at::randint(0, 50, {2, 10}, generator, at::kLong), segments};
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

at::Tensor hidden(const models::Model& model, const models::Rows& rows) { return model.hidden_packed(rows); }

at::Tensor alone(const models::Model& model, const at::Tensor& ids_T) {
  return model.hidden_packed({ids_T.unsqueeze(0), at::zeros({1, ids_T.size(0)}, at::kLong)}).squeeze(0);
}

const at::Tensor& tensor_of(const models::Model& model, const std::string& name) {
  for (const auto& parameter : model.parameters())
    if (parameter.name == name) return *parameter.tensor;
  throw std::runtime_error(name);
}

}  // namespace

TEST_CASE("each document of packed rows is encoded as if it were alone") {
  const at::NoGradGuard no_grad;
  const auto model = test::tiny_encoder();
  const auto rows = packed_rows(1);
  const auto all = hidden(*model, rows);
  for (const auto& [row, begin, length] : {std::tuple(0, 0, 3), {0, 3, 4}, {0, 7, 2}, {1, 0, 10}})
    CHECK(largest_difference(all[row].narrow(0, begin, length),
                             alone(*model, rows.ids_BT[row].narrow(0, begin, length))) < 1e-6);
}

TEST_CASE("float16 goes by a mask, to the same states but for rounding") {
  const at::NoGradGuard no_grad;
  const auto model = test::tiny_encoder();
  const auto rows = packed_rows(2);
  const auto exact = hidden(*model, rows);
  for (const auto& parameter : model->parameters()) *parameter.tensor = parameter.tensor->to(at::kHalf);
  const auto seen = rows.segments_BT.ge(0).unsqueeze(-1);
  CHECK(largest_difference(hidden(*model, rows).to(at::kFloat) * seen, exact * seen) < 0.05);
}

TEST_CASE("an encoder's blocks run one by one are its whole forward pass") {
  const at::NoGradGuard no_grad;
  const auto model = test::tiny_encoder();
  const auto rows = packed_rows(3);
  auto x_BTD = model->embed(rows);
  for (size_t i = 0; i < model->blocks().size(); i++) x_BTD = model->run_block(i, x_BTD, rows, nullptr);
  CHECK(x_BTD.equal(hidden(*model, rows)));
}

TEST_CASE("an encoder cut to fewer heads and rows computes what it did with those set to zero") {
  const at::NoGradGuard no_grad;
  const auto rows = packed_rows(4);
  const auto masked = test::tiny_encoder(), cut = test::tiny_encoder();
  for (const auto& model : {masked, cut}) {
    auto block = model->blocks()[1];
    block.o.linear->weight.slice(1, 8, 16).zero_();
    block.narrow.linear->weight.slice(1, 30, 40).zero_();
  }
  auto block = cut->blocks()[1];
  const auto kept = at::tensor({0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23}, at::kLong);
  for (auto* linear : {block.q.linear, block.k.linear, block.v.linear}) {
    linear->weight = linear->weight.index_select(0, kept);
    linear->bias = linear->bias.index_select(0, kept);
  }
  block.o.linear->weight = block.o.linear->weight.index_select(1, kept);
  block.widen[0].linear->weight = block.widen[0].linear->weight.narrow(0, 0, 30).clone();
  block.widen[0].linear->bias = block.widen[0].linear->bias.narrow(0, 0, 30).clone();
  block.narrow.linear->weight = block.narrow.linear->weight.narrow(1, 0, 30).clone();
  cut->resize_block(1, {2, 2, 30});
  CHECK(largest_difference(hidden(*cut, rows), hidden(*masked, rows)) < 1e-5);
  for (const auto& parameter : cut->parameters())
    CHECK(parameter.tensor->sizes() == at::IntArrayRef(parameter.shape));
  cut->keep_blocks({1});
  CHECK(cut->blocks().size() == 1);
  CHECK(cut->blocks()[0].q.name == "bert.encoder.layer.0.attention.self.query");
}

TEST_CASE("a factored layer of an encoder multiplies as its product does") {
  const at::NoGradGuard no_grad;
  auto spec = test::tiny_encoder_spec();
  spec.layers[0].ranks = {{"attention.self.key", 3}, {"output.dense", 5}};
  const auto factored = test::tiny_encoder(spec);
  const auto dense = test::tiny_encoder();
  for (const auto& parameter : dense->parameters())
    if (!parameter.linear) *parameter.tensor = tensor_of(*factored, parameter.name);
  const auto from = factored->blocks(), to = dense->blocks();
  for (size_t i = 0; i < from.size(); i++)
    for (size_t k = 0; k < from[i].linears().size(); k++)
      to[i].linears()[k].linear->weight = from[i].linears()[k].linear->dense();
  const auto rows = packed_rows(5);
  CHECK(largest_difference(hidden(*factored, rows), hidden(*dense, rows)) < 1e-5);
  CHECK(tensor_of(*factored, "bert.encoder.layer.0.output.dense.out.weight").sizes() ==
        at::IntArrayRef({24, 5}));
}

TEST_CASE("a head of its own has one bias where a folder holds one, by the name that it has there") {
  auto spec = test::tiny_encoder_spec();
  spec.tied_head = false;
  const std::string own = "cls.predictions.decoder.bias", old = "cls.predictions.bias";
  const auto fitted = [&](const std::set<std::string>& names) {
    const auto model = test::tiny_encoder(spec);
    model->fit_to(names);
    std::set<std::string> all;
    for (const auto& parameter : model->parameters()) all.insert(parameter.name);
    return std::pair(all.contains(own), all.contains(old));
  };
  CHECK(fitted({own, old}) == std::pair(true, true));
  CHECK(fitted({own}) == std::pair(true, true));  // then the folder lacks one, and is refused
  CHECK(fitted({old}) == std::pair(false, true));
}

TEST_CASE("blocks computed again for the gradient give the same bytes") {
  std::vector<at::Tensor> gradients;
  for (const bool recompute : {false, true}) {
    const auto model = test::tiny_encoder();
    model->recompute_blocks(recompute);
    auto weight = model->blocks()[0].q.linear->weight.set_requires_grad(true);
    hidden(*model, packed_rows(6)).square().sum().backward();
    gradients.push_back(weight.grad());
  }
  CHECK(gradients[0].equal(gradients[1]));
}

TEST_CASE("a document longer than the table of positions is refused with both figures; rows may be longer") {
  auto spec = test::tiny_encoder_spec();
  spec.first_position = 2;
  const auto model = test::tiny_encoder(spec);
  const auto ids = at::zeros({1, 60}, at::kLong);
  const auto two = at::arange(60).floor_divide(30).unsqueeze(0);
  CHECK(model->hidden_packed({ids, two}).size(1) == 60);
  try {
    model->hidden_packed({ids, at::arange(60).ge(29).to(at::kLong).unsqueeze(0)});
    FAIL("expected an error");
  } catch (const Error& error) {
    CHECK(error.code() == "ERR_DATA");
    CHECK(error.message() == "Expected texts of at most 30 tokens, received one of 31");
    CHECK(error.hint().find("learnt position") != std::string::npos);
  }
}

TEST_CASE("padding has no position, however much of it stands in a row") {
  const at::NoGradGuard no_grad;
  const auto model = test::tiny_encoder();
  const auto ids = at::arange(60, at::kLong).remainder(50).view({1, 60});
  const auto segments = at::full({1, 60}, -1, at::kLong);
  segments.narrow(1, 0, 3).zero_();
  CHECK(largest_difference(hidden(*model, {ids, segments})[0].narrow(0, 0, 3),
                           alone(*model, ids[0].narrow(0, 0, 3))) < 1e-6);
}

TEST_CASE("tensors of old releases and of other classes find the place that they have in this one") {
  const models::TextEncoder model(test::tiny_encoder_spec());
  CHECK(model.name_of("bert.encoder.layer.0.output.LayerNorm.gamma") ==
        "bert.encoder.layer.0.output.LayerNorm.weight");
  CHECK(model.name_of("embeddings.word_embeddings.weight") == "bert.embeddings.word_embeddings.weight");
  CHECK(model.is_derived("bert.embeddings.position_ids"));
  CHECK(model.is_of_another_head("bert.pooler.dense.weight"));
  CHECK(model.is_of_another_head("classifier.weight"));
  CHECK_FALSE(model.is_of_another_head("cls.predictions.extra"));
  auto spec = test::tiny_encoder_spec();
  spec.head = models::EncoderHead::none;
  spec.bare = true;
  CHECK(models::TextEncoder(spec).name_of("bert.pooler.dense.weight") == "pooler.dense.weight");
}

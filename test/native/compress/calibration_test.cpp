// What is heard of a model, block by block.
#include "compress/calibration.h"

#include "cancels_after.h"
#include "compress/input_statistics.h"
#include "compress/output_error.h"
#include "compress/tiny_rows.h"
#include "core/error.h"
#include "models/tiny_decoder.h"

using namespace tongueforge;
using namespace tongueforge::compress;
using test::tiny_decoder;

namespace {

// All that goes into a layer of a block, in the order of its places.
at::Tensor heard_by(models::Model& model, size_t block, nn::Linear* linear,
                    const std::vector<models::Rows>& rows) {
  const SilentJob job;
  Calibration calibration(model, rows, job);
  while (calibration.block() < block) calibration.advance();
  std::vector<at::Tensor> parts;
  calibration.observe({{linear, [&](const at::Tensor& x_PC) { parts.push_back(x_PC); }}});
  CHECK(at::cat(parts).size(0) == calibration.places());
  return at::cat(parts);
}

}  // namespace

TEST_CASE("listeners hear what goes into a layer in a whole forward pass, without padding") {
  const at::NoGradGuard no_grad;
  const auto model = tiny_decoder();
  const auto rows = tiny_rows(1);
  nn::Linear* const down = model->blocks()[1].narrow.linear;
  at::Tensor whole;
  {
    const nn::ObserverScope scope(*down, [&](const at::Tensor& x) { whole = x; });
    model->hidden_packed(rows);
  }
  const auto heard = heard_by(*model, 1, down, {rows});
  CHECK(heard.sizes() == at::IntArrayRef({3 * 28, 40}));
  CHECK(heard.allclose(whole.slice(1, 0, 28).reshape({3 * 28, 40}), 1e-4, 1e-5));
  auto other = rows;
  other.ids_BT = rows.ids_BT.clone();
  other.ids_BT.slice(1, 28).fill_(7);
  CHECK(heard_by(*model, 1, down, {other}).equal(heard));
  const auto full = heard_by(*model, 1, down, {tiny_rows(1, 3, 0)});
  CHECK(full.size(0) == 96);
}

TEST_CASE("a block hears what the one before it has become") {
  const at::NoGradGuard no_grad;
  const auto model = tiny_decoder(), changed = tiny_decoder();
  const auto rows = tiny_rows(2);
  const auto change = [](models::Model& of) { of.blocks()[0].narrow.linear->weight.mul_(0.5); };
  const SilentJob job;
  Calibration calibration(*model, {rows}, job);
  calibration.observe({});
  change(*model);
  CHECK(!calibration.at_end());
  calibration.advance();
  CHECK(calibration.block() == 1);
  at::Tensor heard;
  nn::Linear* const q = model->blocks()[1].q.linear;
  calibration.advance({{q, [&](const at::Tensor& x_PC) { heard = x_PC; }}});
  CHECK(calibration.at_end());
  CHECK(!q->observer);
  change(*changed);
  CHECK(heard.equal(heard_by(*changed, 1, changed->blocks()[1].q.linear, {rows})));
  const auto plain = tiny_decoder();
  CHECK(!heard.equal(heard_by(*plain, 1, plain->blocks()[1].q.linear, {rows})));
}

TEST_CASE("any number of listeners share a layer, and batches are heard one after another") {
  const at::NoGradGuard no_grad;
  const auto model = tiny_decoder();
  const SilentJob job;
  nn::Linear* const o = model->blocks()[0].o.linear;
  Calibration calibration(*model, {tiny_rows(3), tiny_rows(4, 2)}, job);
  CHECK(calibration.places() == 5 * 28);
  InputNorms first(32), second(32);
  calibration.observe({{o, [&](const at::Tensor& x_PC) { first.add(x_PC); }},
                       {o, [&](const at::Tensor& x_PC) { second.add(x_PC); }}});
  CHECK(first.norms().equal(second.norms()));
  const auto apart =
      at::cat({heard_by(*model, 0, o, {tiny_rows(3)}), heard_by(*model, 0, o, {tiny_rows(4, 2)})});
  CHECK(first.norms().allclose(apart.norm(2, 0), 1e-5, 0));
}

TEST_CASE("rows without a document are refused, and a cancelled job stops between batches") {
  const auto model = tiny_decoder();
  const SilentJob job;
  auto empty = tiny_rows(5);
  empty.segments_BT.fill_(-1);
  for (const auto& rows : {std::vector<models::Rows>{}, std::vector<models::Rows>{empty}}) {
    try {
      Calibration(*model, rows, job);
      FAIL("expected an error");
    } catch (const Error& error) {
      CHECK(error.code() == "ERR_CALIBRATION");
      CHECK(error.message() == "Expected calibration rows with text in them, received none");
      CHECK(error.hint() == "Name texts under calibration.data.");
    }
  }
  CHECK_THROWS_AS(Calibration(*model, {tiny_rows(6)}, test::CancelsAfter(0)), Cancelled);
}

TEST_CASE("a sample of inputs is evenly spaced, and whole where there are few") {
  const auto x = at::arange(30, at::kFloat).unsqueeze(1);
  InputSample few(EvenPlaces(30, 4)), all(EvenPlaces(30, 100));
  for (const auto& part : x.split(7)) {
    few.add(part);
    all.add(part);
  }
  CHECK(few.take().squeeze(1).equal(at::tensor({7.0f, 14.0f, 22.0f, 29.0f})));
  CHECK(all.take().equal(x));
}

TEST_CASE("the error of an output is relative to what it was") {
  const auto inputs = at::tensor({3.0f, 0.0f, 0.0f, 4.0f}).view({2, 2}), before = at::eye(2, at::kFloat);
  CHECK(relative_error(before, before, inputs) == 0);
  CHECK(relative_error(before, at::zeros({2, 2}), inputs) == 1);
  auto after = before.clone();
  after[0][0] = 0;
  CHECK(relative_error(before, after, inputs) == doctest::Approx(0.6));
  CHECK(relative_error(at::zeros({2, 2}), at::zeros({2, 2}), inputs) == 0);
}

TEST_CASE("what an output was is heard at the places of the sample, whatever parts it comes in") {
  const auto x = at::arange(60, at::kFloat).view({30, 2}),
             before = at::tensor({1.0f, 2.0f, -1.0f, 3.0f}).view({2, 2});
  const auto after = before.masked_fill(before.lt(2), 0);
  InputSample sample(EvenPlaces(30, 7));
  OutputNorm norm(EvenPlaces(30, 7));
  for (const auto& part : x.split(4)) {
    sample.add(part);
    norm.add(part.mm(before.t()));
  }
  const auto inputs = sample.take();
  CHECK(norm.value() == doctest::Approx(inputs.mm(before.t()).norm().item<double>()));
  CHECK(relative_error(before, after, inputs, norm.value()) ==
        doctest::Approx(relative_error(before, after, inputs)));
}

namespace {

/// Multiplies as the weight does, and counts how often.
class Counted final : public nn::Execution {
 public:
  explicit Counted(at::Tensor weight) : weight_(std::move(weight)) {}
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& maybe_bias) const override {
    calls++;
    return at::linear(x, weight_, maybe_bias);
  }
  int64_t bytes() const override { return 0; }

  mutable int calls = 0;

 private:
  at::Tensor weight_;
};

}  // namespace

TEST_CASE("of a block that is only listened to, the product that nobody hears is left out") {
  const at::NoGradGuard no_grad;
  const auto model = tiny_decoder();
  nn::Linear* const down = model->blocks()[0].narrow.linear;
  const auto counted = std::make_shared<Counted>(down->weight);
  down->execution = counted;
  const SilentJob job;
  Calibration calibration(*model, {tiny_rows(7)}, job);
  calibration.observe({});
  CHECK(counted->calls == 0);
  CHECK(down->execution == counted);
  calibration.advance();
  CHECK(counted->calls == 1);
}

TEST_CASE("what comes out of a layer is heard as it goes on, and the layer is left as it was") {
  const at::NoGradGuard no_grad;
  const auto model = tiny_decoder();
  const auto block = model->blocks()[0];
  const auto rows = tiny_rows(7);
  const SilentJob job;
  Calibration calibration(*model, {rows}, job);
  for (auto* const linear : {block.q.linear, block.o.linear, block.narrow.linear}) {
    CHECK(calibration.leaves_out(*linear) == (linear == block.narrow.linear));
    const auto before = linear->execution;
    at::Tensor x_PC, y_PO;
    calibration.observe({{linear, [&](const at::Tensor& x) { x_PC = x; }}},
                        {{linear, [&](const at::Tensor& y) { y_PO = y; }}});
    CHECK(x_PC.size(0) == calibration.places());
    CHECK(y_PO.allclose(at::linear(x_PC, linear->weight, linear->bias), 1e-4, 1e-5));
    CHECK(linear->execution == before);
  }
}

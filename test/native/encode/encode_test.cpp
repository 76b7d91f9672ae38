#include "encode/encode.h"

#include <random>

#include "core/error.h"
#include "doctest.h"
#include "kernels/aten.h"
#include "models/tiny_encoder.h"

using namespace tongueforge;

namespace {

encode::Texts random_texts(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  encode::Texts texts(count);
  for (auto& text : texts) {
    text.resize(1 + random() % 31);
    for (auto& id : text) id = static_cast<int32_t>(random() % 50);
  }
  return texts;
}

models::EncoderSpec classifier_spec() {
  auto spec = test::tiny_encoder_spec();
  spec.head = models::EncoderHead::classification;
  spec.num_labels = 3;
  return spec;
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

class CancelledAfter final : public Job {
 public:
  explicit CancelledAfter(int allowed) : allowed_(allowed) {}
  bool cancelled() const override { return asked_++ >= allowed_; }
  void progress(Value) override {}
  void emit(Value) override {}

 private:
  int allowed_;
  mutable std::atomic<int> asked_ = 0;
};

}  // namespace

TEST_CASE("texts in several packs come out as each alone, in their order") {
  const auto model = test::tiny_encoder(), classifier = test::tiny_encoder(classifier_spec());
  const auto texts = random_texts(400, 1);  // some 6400 tokens
  SilentJob job;
  for (const auto pooling : {encode::Pooling::mean, encode::Pooling::first}) {
    const auto all = encode::embed(*model, texts, pooling, false, job);
    REQUIRE(all.sizes() == at::IntArrayRef({400, 24}));
    for (const size_t i : {0, 1, 255, 256, 399})
      CHECK(largest_difference(all[static_cast<int64_t>(i)],
                               encode::embed(*model, {texts[i]}, pooling, false, job)[0]) < 1e-5);
  }
  const auto labels = encode::classify(*classifier, texts, job);
  CHECK(largest_difference(labels[399], encode::classify(*classifier, {texts[399]}, job)[0]) < 1e-5);
  CHECK(encode::embed(*model, {}, encode::Pooling::mean, true, job).sizes() == at::IntArrayRef({0, 24}));
}

TEST_CASE("normalised vectors are of length 1 and point where they did") {
  const auto model = test::tiny_encoder();
  const auto texts = random_texts(5, 2);
  SilentJob job;
  const auto plain = encode::embed(*model, texts, encode::Pooling::mean, false, job);
  const auto normal = encode::embed(*model, texts, encode::Pooling::mean, true, job);
  CHECK(largest_difference(normal.norm(2, {1}), at::ones({5})) < 1e-6);
  CHECK(largest_difference(normal * plain.norm(2, {1}, true), plain) < 1e-5);
}

TEST_CASE("each mask is filled with the likeliest words at its place") {
  const auto model = test::tiny_encoder();
  auto texts = random_texts(3, 3);
  for (auto& text : texts) std::replace(text.begin(), text.end(), 4, 5);
  texts[0].resize(9);
  texts[0][2] = texts[0][7] = texts[2][0] = 4;
  SilentJob job;
  const auto fillings = encode::fill_masks(*model, texts, 4, 3, job);
  REQUIRE(fillings.size() == 3);
  CHECK(fillings[1].text == 0);
  CHECK(fillings[1].place == 7);
  CHECK(fillings[2].text == 2);
  CHECK(fillings[2].place == 0);
  const auto probabilities =
      model
          ->token_logits(model->hidden_packed(
              {at::tensor(texts[0], at::kLong).unsqueeze(0), at::zeros({1, 9}, at::kLong)})[0][7])
          .softmax(-1);
  CHECK(fillings[1].ids[0] == probabilities.argmax().item<int64_t>());
  CHECK(fillings[1].probabilities[0] == doctest::Approx(probabilities.max().item<double>()).epsilon(1e-5));
  CHECK(fillings[1].probabilities[2] <= fillings[1].probabilities[1]);
}

TEST_CASE("encoding stops within a block when cancelled") {
  const auto model = test::tiny_encoder();
  CancelledAfter job(3);
  CHECK_THROWS_AS(encode::embed(*model, random_texts(20, 4), encode::Pooling::mean, false, job), Cancelled);
}

TEST_CASE("a model without the head that is asked for, and ids that it does not know, are refused") {
  const auto model = test::tiny_encoder();
  SilentJob job;
  const auto error_of = [&](const auto& work) {
    try {
      work();
    } catch (const Error& error) { return error; }
    return Error("none", "none");
  };
  const auto no_head = error_of([&] { encode::classify(*model, {{1, 2}}, job); });
  CHECK(no_head.code() == "ERR_MODEL_CONFIG");
  CHECK(no_head.message() == "Expected an encoder with a classification head, received one without");
  CHECK(no_head.hint().find("BertForSequenceClassification") != std::string::npos);
  const auto no_mask =
      error_of([&] { encode::fill_masks(*test::tiny_encoder(classifier_spec()), {{1}}, 1, 1, job); });
  CHECK(no_mask.hint().find("BertForMaskedLM") != std::string::npos);
  const auto unknown = error_of([&] { encode::embed(*model, {{1, 50}}, encode::Pooling::mean, false, job); });
  CHECK(unknown.code() == "ERR_DATA");
}

#include "probe/fit.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <numeric>

#include "cancels_after.h"
#include "checkpoint/safetensors.h"
#include "core/random.h"
#include "probe/adam.h"
#include "probe/head_file.h"
#include "probe/sounds.h"
#include "testing.h"

using namespace tongueforge;
using namespace tongueforge::test;
using probe::Examples;
using probe::FitOptions;
using probe::Head;

namespace {

struct Fitted {
  Head head;
  std::vector<double> course;
  probe::Judgement judged;
};

Fitted fitted(const probe::States& states, const std::string& kind, const Examples& train,
              const Examples& test, const FitOptions& options) {
  SilentJob job;
  std::vector<int64_t> layers(static_cast<size_t>(states.layers()));
  std::iota(layers.begin(), layers.end(), 0);
  const auto objective = probe::make_objective(kind);
  Head head(states, probe::View::of(states, layers, train.utterances, probe::Standard::layer, job),
            options.classes);
  auto course = probe::fit(head, *objective, states, train, options, job);
  auto judged = probe::judge(head, *objective, states, test, job);
  return {std::move(head), std::move(course), std::move(judged)};
}

/// One class each; those of `train` first.
struct Parted {
  Examples train, test;
};
Parted parted(const std::vector<int32_t>& classes, int32_t train) {
  Parted all;
  for (int32_t u = 0; u < static_cast<int32_t>(classes.size()); u++) {
    auto& part = u < train ? all.train : all.test;
    part.utterances.push_back(u);
    part.targets.push_back({classes[static_cast<size_t>(u)]});
  }
  return all;
}

double accuracy(const Examples& examples, const probe::Judgement& judged) {
  int64_t right = 0;
  for (size_t i = 0; i < examples.targets.size(); i++) right += examples.targets[i] == judged.predictions[i];
  return static_cast<double>(right) / static_cast<double>(examples.targets.size());
}

std::vector<int64_t> lengths(int64_t count, uint64_t seed) {
  Random random(seed);
  std::vector<int64_t> all;
  for (int64_t i = 0; i < count; i++) all.push_back(3 + static_cast<int64_t>(10 * random.uniform()));
  return all;
}

/// Utterances whose class stands in one layer of three: value `class` is raised there.
std::vector<at::Tensor> told_in_layer(const std::vector<int32_t>& classes, int64_t layer, uint64_t seed) {
  auto sounds = random_sounds(lengths(static_cast<int64_t>(classes.size()), seed), 3, 6, seed);
  for (size_t u = 0; u < classes.size(); u++) sounds[u].select(0, layer).select(1, classes[u]).add_(6);
  return sounds;
}

std::vector<int32_t> drawn_classes(size_t count, int32_t classes, uint64_t seed) {
  Random random(seed);
  std::vector<int32_t> all(count);
  for (auto& one : all) one = static_cast<int32_t>(random.uniform() * classes);
  return all;
}

}  // namespace

TEST_CASE("classes that one layer tells apart are all named, and that layer weighs most") {
  for (uint64_t seed = 1; seed <= 3; seed++) {
    CAPTURE(seed);
    const auto classes = drawn_classes(120, 4, seed);
    const auto layer = static_cast<int64_t>(seed % 3);
    const auto states = gathered(told_in_layer(classes, layer, seed), true);
    const auto [train, test] = parted(classes, 80);
    const auto found = fitted(states, "class", train, test, {.classes = 4});
    CHECK(accuracy(test, found.judged) == 1);
    const auto weights = found.head.layer_weights();
    CHECK(std::max_element(weights.begin(), weights.end()) - weights.begin() == layer);
    CHECK(found.course.size() == 150);
    CHECK(found.course[0] == doctest::Approx(std::log(4)).epsilon(1e-12));  // zeros: all are alike
    CHECK(found.course.back() < 0.2);
  }
}

TEST_CASE("labels that mean nothing are foretold no better than by chance") {
  for (uint64_t seed = 1; seed <= 3; seed++) {
    CAPTURE(seed);
    const auto states = gathered(random_sounds(lengths(600, seed), 2, 8, seed), true);
    const auto [train, test] = parted(drawn_classes(600, 4, seed + 10), 200);
    const auto found = fitted(states, "class", train, test, {.classes = 4});
    CHECK(std::abs(accuracy(test, found.judged) - 0.25) < 4 * std::sqrt(0.25 * 0.75 / 400));
    CHECK(found.judged.loss > std::log(4));
  }
}

TEST_CASE("tokens that places tell are spelled by CTC without their places being said") {
  Random random(5);
  std::vector<at::Tensor> sounds;
  Examples train, test;
  at::manual_seed(5);
  for (int32_t u = 0; u < 60; u++) {
    std::vector<int32_t> tokens, places;
    for (int i = 0; i < 3; i++) {
      tokens.push_back(1 + static_cast<int32_t>(random.uniform() * 4));
      for (int t = 0; t < 4; t++) places.push_back(t < 2 ? tokens.back() : 0);
    }
    auto states = 0.1 * at::randn({1, static_cast<int64_t>(places.size()), 5});
    for (size_t t = 0; t < places.size(); t++) states[0][static_cast<int64_t>(t)][places[t]] += 1;
    sounds.push_back(states);
    auto& part = u < 40 ? train : test;
    part.utterances.push_back(u);
    part.targets.push_back(tokens);
  }
  const auto found =
      fitted(gathered(sounds, false), "sequence", train, test, {.classes = 5, .steps = 200, .lr = 0.1});
  CHECK(found.judged.predictions == test.targets);
  CHECK(found.judged.loss < 0.1);
}

TEST_CASE("the same seed gives the same bytes, and batches of all are no batches") {
  const auto classes = drawn_classes(30, 3, 6);
  const auto states = gathered(told_in_layer(classes, 1, 6), true);
  const auto [train, test] = parted(classes, 20);
  const auto numbers = [&](const FitOptions& options) {
    return fitted(states, "class", train, test, options).head.parameters.all;
  };
  const FitOptions small{.classes = 3, .steps = 40, .batch_size = 6};
  CHECK(at::equal(numbers(small), numbers(small)));
  CHECK_FALSE(at::equal(numbers(small), numbers({.classes = 3, .steps = 40, .batch_size = 6, .seed = 2})));
  CHECK(at::equal(numbers({.classes = 3, .steps = 40}),
                  numbers({.classes = 3, .steps = 40, .batch_size = 20})));
}

TEST_CASE("an epoch of batches takes every example once") {
  // Of orthogonal examples each step moves only the columns of its own batch: after an epoch all have moved.
  std::vector<at::Tensor> sounds;
  Examples examples;
  for (int32_t u = 0; u < 7; u++) {
    auto states = at::zeros({1, 1, 7});
    states[0][0][u] = 1;
    sounds.push_back(states);
    examples.utterances.push_back(u);
    examples.targets.push_back({u % 2});
  }
  const auto states = gathered(sounds, true);
  const auto objective = probe::make_class_objective();
  SilentJob job;
  const auto moved = [&](int64_t steps) {
    Head head(states, probe::View::of(states, {0}, examples.utterances, probe::Standard::none, job), 2);
    probe::fit(head, *objective, states, examples, {.classes = 2, .steps = steps, .batch_size = 3}, job);
    return head.parameters.weight_CD.abs().sum(0).ne(0).sum().item<int64_t>();
  };
  CHECK(moved(1) == 3);
  CHECK(moved(2) == 6);
  CHECK(moved(3) == 7);
}

TEST_CASE("loss and gradient do not depend on how many rows are in memory at once") {
  const auto sounds = random_sounds({3000, 2500, 2000, 700}, 2, 3, 8);
  const auto states = gathered(sounds, false);
  Examples examples;
  Random random(8);
  for (int32_t u = 0; u < 4; u++) {
    examples.utterances.push_back(u);
    std::vector<int32_t> labels(static_cast<size_t>(sounds[u].size(1)));
    for (auto& label : labels) label = static_cast<int32_t>(random.uniform() * 4) - 1;
    examples.targets.push_back(labels);
  }
  const auto objective = probe::make_class_objective();
  SilentJob job;
  Head head(states, probe::View::of(states, {0, 1}, {0, 1, 2, 3}, probe::Standard::layer, job), 3);
  at::manual_seed(8);
  head.parameters.all.normal_();
  probe::Parameters whole(2, 3, 3), parts(2, 3, 3);
  const auto all = probe::batch_loss(head, *objective, states, examples, {0, 1, 2, 3}, 10, &whole, job);
  double sum = 0;
  int64_t terms = 0;
  for (const int64_t u : {0, 1, 2, 3}) {
    const auto one = probe::batch_loss(head, *objective, states, examples, {u}, 10, &parts, job);
    sum += one.sum;
    terms += one.terms;
  }
  CHECK(all.sum == doctest::Approx(sum).epsilon(1e-12));
  CHECK(all.terms == terms);
  CHECK(at::allclose(whole.all, parts.all, 1e-9, 1e-9));
}

TEST_CASE(
    "the first step of Adam is as long as the rate, whatever the gradient, and decay takes where it is "
    "told") {
  probe::Adam adam(4);
  std::vector<double> values{1, 1, 1, 1};
  const std::vector<double> gradient{5, -0.01, 5, 0};
  adam.step(values, gradient, 0.1, 0.5, 2, 4);
  const std::vector<double> first{0.9, 1.1, 0.95 - 0.1, 0.95};
  for (size_t i = 0; i < 4; i++) CHECK(values[i] == doctest::Approx(first[i]).epsilon(1e-6));
  adam.step(values, gradient, 0.1, 0, 0, 4);  // a gradient that stays is gone along as fast
  CHECK(values[0] == doctest::Approx(0.8).epsilon(1e-6));
  adam.step(values, {{-5, 0, 0, 0}}, 0.1, 0, 0, 4);
  const double mean =
      (0.9 * (0.9 * 0.5 + 0.5) - 0.5) / (1 - 0.729);  // betas 0.9 and 0.999: squares are alike
  CHECK(values[0] == doctest::Approx(0.8 - 0.1 * mean / 5).epsilon(1e-6));
}

TEST_CASE("decay takes from the matrix alone") {
  const auto classes = drawn_classes(30, 3, 9);
  const auto states = gathered(told_in_layer(classes, 0, 9), true);
  const auto [train, test] = parted(classes, 20);
  const auto plain = fitted(states, "class", train, test, {.classes = 3, .steps = 1});
  const auto first = fitted(states, "class", train, test, {.classes = 3, .steps = 1, .weight_decay = 0.5});
  CHECK(
      at::equal(plain.head.parameters.all, first.head.parameters.all));  // of zeros there is nothing to take
  const auto longer = fitted(states, "class", train, test, {.classes = 3, .steps = 100});
  const auto decayed = fitted(states, "class", train, test, {.classes = 3, .steps = 100, .weight_decay = 5});
  CHECK(decayed.head.parameters.weight_CD.norm().item<double>() <
        longer.head.parameters.weight_CD.norm().item<double>());
}

TEST_CASE("a fit ends soon after it is cancelled") {
  const auto classes = drawn_classes(30, 3, 6);
  const auto states = gathered(told_in_layer(classes, 1, 6), true);
  const auto [train, test] = parted(classes, 20);
  const auto objective = probe::make_class_objective();
  SilentJob silent;
  Head head(states, probe::View::of(states, {0}, train.utterances, probe::Standard::layer, silent), 3);
  CancelsAfter job(5);
  CHECK_THROWS_AS(probe::fit(head, *objective, states, train, {.classes = 3, .steps = 1000000}, job),
                  Cancelled);
}

TEST_CASE("the file of a head has all that gives its logits") {
  const auto classes = drawn_classes(30, 3, 6);
  const auto sounds = told_in_layer(classes, 1, 6);
  const auto states = gathered(sounds, true);
  const auto [train, test] = parted(classes, 20);
  const auto found = fitted(states, "class", train, test, {.classes = 3});
  const auto path = std::filesystem::temp_directory_path() / str("head-", getpid(), ".safetensors");
  probe::write_head(path, found.head);
  const auto file = checkpoint::SafetensorsFile::open(path);
  const auto read = [&](const char* name) {
    const auto* tensor = file.find(name);
    REQUIRE(tensor);
    auto values = at::empty(tensor->shape, at::kFloat);
    file.read(*tensor, values.data_ptr<float>());
    return values.to(at::kDouble);
  };
  const auto x_LD = sounds[25].to(at::kDouble).mean(1);
  const auto z = ((x_LD - read("mean")) / read("deviation") * read("layer_weights").unsqueeze(1)).sum(0);
  const auto logits = read("weight").mv(z) + read("bias");
  CHECK(at::allclose(logits, found.head.logits(found.head.mixed({states.of(25)}))[0], 1e-4, 1e-4));
  std::filesystem::remove(path);
}

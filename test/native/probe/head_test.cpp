#include "probe/head.h"

#include <cmath>
#include <limits>

#include "core/error.h"
#include "probe/fit.h"
#include "probe/sounds.h"
#include "testing.h"

using namespace tongueforge;
using namespace tongueforge::test;
using probe::Head;
using probe::Standard;
using probe::States;
using probe::View;

namespace {

std::vector<probe::Stretch> stretches_of(const States& states, const std::vector<int32_t>& utterances) {
  std::vector<probe::Stretch> all;
  for (const int32_t utterance : utterances) all.push_back(states.of(utterance));
  return all;
}

View view_of(const States& states, std::vector<int64_t> layers, const std::vector<int32_t>& utterances,
             Standard standard) {
  SilentJob job;
  return View::of(states, std::move(layers), utterances, standard, job);
}

/// Places of all utterances, each layer standardised in plain torch: (L,M,D) double.
at::Tensor by_hand(const std::vector<at::Tensor>& sounds, const std::vector<int32_t>& train,
                   Standard standard, const at::Tensor& all_LMD) {
  std::vector<at::Tensor> chosen;
  for (const int32_t utterance : train) chosen.push_back(sounds[utterance]);
  const auto x_LMD = at::cat(chosen, 1).to(at::kDouble);
  if (standard == Standard::none) return all_LMD;
  const auto mean_L1D = x_LMD.mean(1, true);
  if (standard == Standard::value) return (all_LMD - mean_L1D) / x_LMD.std(at::IntArrayRef{1}, true, true);
  return (all_LMD - mean_L1D) / x_LMD.std(at::IntArrayRef{1, 2}, true, true);
}

}  // namespace

TEST_CASE("states keep what they are given, or its mean") {
  const auto sounds = random_sounds({3, 1, 4}, 2, 5, 1);
  const auto places = gathered(sounds, false), pooled = gathered(sounds, true);
  for (int64_t u = 0; u < 3; u++) {
    for (int64_t l = 0; l < 2; l++) {
      const auto [begin, count] = places.of(u);
      CHECK(count == sounds[u].size(1));
      const auto kept =
          at::from_blob(const_cast<float*>(places.layer(l) + begin * 5), {count, 5}, at::kFloat);
      CHECK(at::equal(kept, sounds[u][l]));
      const auto mean = at::from_blob(const_cast<float*>(pooled.layer(l) + u * 5), {5}, at::kFloat);
      CHECK(at::allclose(mean, sounds[u][l].to(at::kDouble).mean(0).to(at::kFloat), 1e-6, 1e-7));
    }
  }
}

TEST_CASE("states refuse what is no number, and an utterance of other places than was said") {
  States states(1, 2, {3}, false);
  auto bad = at::zeros({1, 3, 2});
  bad[0][1][1] = std::numeric_limits<float>::quiet_NaN();
  try {
    states.set(0, bad);
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.code() == "ERR_NON_FINITE");
    CHECK(error.message().find("expected numbers in the hidden states") != std::string::npos);
    CHECK(error.hint().find("inspect MODEL --scan") != std::string::npos);
  }
  try {
    states.set(0, at::zeros({1, 4, 2}));
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.code() == "ERR_INPUT_CHANGED");
    CHECK(error.message().find("3 places, as its head says, received one of 4") != std::string::npos);
  }
}

TEST_CASE("layers are standardised as is done by hand, by what is learned from alone") {
  const auto sounds = random_sounds({4, 3, 5}, 3, 6, 2);
  const auto states = gathered(sounds, false);
  const std::vector<int32_t> train{0, 2}, all{0, 1, 2};
  const auto all_LMD = at::cat({sounds[0], sounds[1], sounds[2]}, 1).to(at::kDouble);
  for (const auto standard : {Standard::none, Standard::layer, Standard::value}) {
    Head head(states, view_of(states, {0, 2}, train, standard), 2);
    head.parameters.scores_L.copy_(at::tensor({0.3, -0.8}, at::kDouble));
    const auto wanted_LMD = by_hand(sounds, train, standard, all_LMD);
    const auto weights = at::tensor({0.3, -0.8}, at::kDouble).softmax(0);
    const auto wanted = wanted_LMD[0] * weights[0] + wanted_LMD[2] * weights[1];
    CHECK(at::allclose(head.mixed(stretches_of(states, all)), wanted, 1e-9, 1e-9));
  }
}

TEST_CASE("a value that never changes is only shifted") {
  const std::vector<at::Tensor> sounds{at::ones({1, 4, 3})};
  const auto states = gathered(sounds, false);
  Head head(states, view_of(states, {0}, {0}, Standard::value), 2);
  CHECK(at::equal(head.mixed({states.of(0)}), at::zeros({4, 3}, at::kDouble)));
}

TEST_CASE("logits of the mean of places are the mean of their logits, whatever the layers weigh") {
  const auto sounds = random_sounds({7, 2, 5}, 3, 4, 3);
  const auto places = gathered(sounds, false), pooled = gathered(sounds, true);
  const auto view = view_of(places, {0, 1, 2}, {0, 1, 2}, Standard::value);
  Head each(places, view, 3), mean(pooled, view, 3);
  at::manual_seed(3);
  each.parameters.all.normal_();
  mean.parameters.all.copy_(each.parameters.all);
  for (int64_t u = 0; u < 3; u++) {
    const auto of_places = each.logits(each.mixed({places.of(u)})).mean(0, true);
    CHECK(at::allclose(mean.logits(mean.mixed({pooled.of(u)})), of_places, 1e-5, 1e-5));
  }
  double sum = 0;
  for (const double weight : each.layer_weights()) sum += weight;
  CHECK(sum == doctest::Approx(1).epsilon(1e-12));
}

TEST_CASE("gradients of every parameter are those of small steps") {
  const auto sounds = random_sounds({5, 4, 6}, 3, 4, 4);
  const auto states = gathered(sounds, false);
  const probe::Examples classes{{0, 1, 2}, {{0, 2, -1, 1, 1}, {-1, -1, 0, 2}, {1, 1, 1, 0, -1, 2}}};
  const probe::Examples tokens{{2, 0, 1}, {{1, 2, 2}, {2}, {1, 2}}};
  for (const auto standard : {Standard::none, Standard::layer, Standard::value}) {
    for (const std::string kind : {"class", "sequence"}) {
      CAPTURE(kind);
      const auto& examples = kind == "class" ? classes : tokens;
      const auto objective = probe::make_objective(kind);
      Head head(states, view_of(states, {0, 1, 2}, {0, 1, 2}, standard), 3);
      at::manual_seed(5);
      head.parameters.all.normal_();
      SilentJob job;
      const auto loss = [&](probe::Parameters* gradient) {
        return probe::batch_loss(head, *objective, states, examples, {0, 1, 2}, 4, gradient, job).sum / 4;
      };
      probe::Parameters gradient(3, 4, 3);
      loss(&gradient);
      auto* const values = head.parameters.all.data_ptr<double>();
      for (int64_t i = 0; i < gradient.all.numel(); i++) {
        const double value = values[i];
        values[i] = value + 1e-5;
        const double above = loss(nullptr);
        values[i] = value - 1e-5;
        const double below = loss(nullptr);
        values[i] = value;
        const double slope = (above - below) / 2e-5;
        CAPTURE(i);
        CHECK(std::abs(gradient.all[i].item<double>() - slope) < 1e-6 * (1 + std::abs(slope)));
      }
    }
  }
}

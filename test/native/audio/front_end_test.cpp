#include "audio/front_end.h"

#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "testing.h"

using namespace tongueforge;

namespace {

std::vector<float> noise(int64_t samples, uint64_t seed) {
  Random random(seed);
  std::vector<float> wave(static_cast<size_t>(samples));
  for (float& sample : wave) sample = static_cast<float>(random.uniform() - 0.4);
  return wave;
}

audio::FrontEndOptions log_mel() {
  audio::FrontEndOptions options;
  options.bank.emplace();
  return options;
}

audio::Sound heard(const audio::FrontEndOptions& options, const std::vector<float>& samples,
                   int64_t rate = 16000) {
  SilentJob job;
  return audio::FrontEnd(options).sound(samples, rate, job);
}

}  // namespace

TEST_CASE("front end: frames less their mean, over their deviation") {
  const auto wave = noise(4000, 1);
  const auto plain = heard(log_mel(), wave);
  auto options = log_mel();
  for (int bin = 0; bin < 40; bin++) {
    options.mean.push_back(static_cast<float>(bin));
    options.deviation.push_back(1 + static_cast<float>(bin) / 8);
  }
  const auto normalised = heard(options, wave);
  REQUIRE(normalised.data.size() == plain.data.size());
  for (size_t i = 0; i < plain.data.size(); i++)
    CHECK(normalised.data[i] == (plain.data[i] - options.mean[i % 40]) / options.deviation[i % 40]);
}

TEST_CASE("front end: two frames become one, and an odd one gets a frame of zeros after normalising") {
  auto options = log_mel();
  options.mean.assign(40, 3.f);
  const auto wave = noise(400 + 4 * 160, 2);  // 5 frames
  const auto single = heard(options, wave);
  options.stacked = 2;
  const auto stacked = heard(options, wave);
  CHECK(single.width == 40);
  CHECK(stacked.width == 80);
  REQUIRE(stacked.data.size() == 3 * 80);
  CHECK(std::equal(single.data.begin(), single.data.end(), stacked.data.begin()));
  for (size_t i = single.data.size(); i < stacked.data.size(); i++) CHECK(stacked.data[i] == 0);
  CHECK(heard(options, noise(100, 3)).data.empty());
}

TEST_CASE("front end: samples come as they are, or with mean 0 and variance 1") {
  const auto wave = noise(5000, 4);
  CHECK(heard({}, wave).data == wave);
  CHECK(heard({}, wave).width == 0);
  const auto normalised = heard({.normalised = true}, wave).data;
  double sum = 0, squares = 0;
  for (const float sample : normalised) sum += sample, squares += sample * sample;
  CHECK(std::abs(sum / 5000) < 1e-6);
  CHECK(squares / 5000 == doctest::Approx(1).epsilon(1e-5));
  for (const float sample : heard({.normalised = true}, std::vector<float>(100, 0.5f)).data)
    CHECK(sample == 0);
}

TEST_CASE("front end: sound of another rate is brought to the model's first") {
  const auto wave = noise(8000, 5);
  SilentJob job;
  CHECK(heard({}, wave, 8000).data == audio::Resampler(8000, 16000).apply(wave, job));
  CHECK(heard(log_mel(), wave, 8000).data.size() == 98 * 40);
}

TEST_CASE("front end: moments are those of the frames") {
  const auto wave = noise(16000, 6);
  const auto frames = heard(log_mel(), wave).data;
  SilentJob job;
  const auto moments = audio::FrontEnd(log_mel()).moments(wave, 16000, job);
  REQUIRE(moments.count == 98);
  for (size_t bin = 0; bin < 40; bin++) {
    double mean = 0, squares = 0;
    for (size_t i = bin; i < frames.size(); i += 40) mean += frames[i] / 98.;
    for (size_t i = bin; i < frames.size(); i += 40) squares += (frames[i] - mean) * (frames[i] - mean);
    CHECK(moments.means[bin] == doctest::Approx(mean).epsilon(1e-9));
    CHECK(moments.squares[bin] == doctest::Approx(squares).epsilon(1e-9));
  }
}

TEST_CASE("front end: a mean of another width is refused") {
  auto options = log_mel();
  options.mean.assign(39, 0.f);
  CHECK_THROWS_WITH_AS(audio::FrontEnd{options}, doctest::Contains("for each of 40 bins, received 39"),
                       Error);
}

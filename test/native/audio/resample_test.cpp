#include "audio/resample.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "cancels_after.h"
#include "core/error.h"
#include "core/random.h"
#include "testing.h"

using namespace tongueforge;

namespace {

std::vector<float> tone(double frequency, int64_t rate, int64_t samples) {
  std::vector<float> wave;
  for (int64_t i = 0; i < samples; i++)
    wave.push_back(static_cast<float>(
        std::sin(2 * std::numbers::pi * frequency * static_cast<double>(i) / static_cast<double>(rate))));
  return wave;
}

std::vector<float> resampled(const std::vector<float>& samples, int64_t from, int64_t to) {
  SilentJob job;
  return audio::Resampler(from, to).apply(samples, job);
}

/// The largest difference, away from both ends.
double difference(const std::vector<float>& a, const std::vector<float>& b, size_t margin) {
  double largest = 0;
  for (size_t i = margin; i + margin < std::min(a.size(), b.size()); i++)
    largest = std::max<double>(largest, std::abs(a[i] - b[i]));
  return largest;
}

double level(const std::vector<float>& samples, size_t margin) {
  double largest = 0;
  for (size_t i = margin; i + margin < samples.size(); i++)
    largest = std::max<double>(largest, std::abs(samples[i]));
  return largest;
}

constexpr std::pair<int64_t, int64_t> kRates[] = {{44100, 16000}, {8000, 16000},  {48000, 16000},
                                                  {16000, 8000},  {22050, 16000}, {16000, 44100}};

}  // namespace

TEST_CASE("resampling: a tone is the same tone at the new rate") {
  for (const auto& [from, to] : kRates) {
    CAPTURE(from);
    CAPTURE(to);
    const double frequency = 0.45 * static_cast<double>(std::min(from, to)) * 0.9;
    for (const double hertz : {300.0, frequency})
      CHECK(difference(resampled(tone(hertz, from, from), from, to), tone(hertz, to, to), 2000) < 1e-4);
  }
}

TEST_CASE("resampling: what the new rate cannot hold is gone, by 80 dB and more") {
  CHECK(level(resampled(tone(8200, 44100, 44100), 44100, 16000), 1000) < 1e-4);
  CHECK(level(resampled(tone(15000, 48000, 48000), 48000, 16000), 1000) < 1e-4);
  CHECK(level(resampled(tone(5000, 16000, 16000), 16000, 8000), 500) < 1e-4);
}

TEST_CASE("resampling: lengths round up, silence stays silence, a constant stays that constant") {
  CHECK(audio::Resampler(44100, 16000).output_length(44100) == 16000);
  CHECK(audio::Resampler(44100, 16000).output_length(44101) == 16001);
  CHECK(audio::Resampler(8000, 16000).output_length(3) == 6);
  CHECK(audio::Resampler(16000, 8000).output_length(0) == 0);
  CHECK(level(resampled(std::vector<float>(4000), 44100, 16000), 0) == 0);
  for (const auto& [from, to] : kRates)
    CHECK(difference(resampled(std::vector<float>(20000, 0.5f), from, to), std::vector<float>(20000, 0.5f),
                     1000) < 1e-5);
}

TEST_CASE("resampling: equal rates change nothing, and the same holds for rates of one ratio") {
  const auto wave = tone(440, 16000, 5000);
  CHECK(resampled(wave, 16000, 16000) == wave);
  CHECK(resampled(wave, 44100, 16000) == resampled(wave, 22050, 8000));
}

TEST_CASE("resampling: it is linear, and the same bytes for any number of threads") {
  Random random(7);
  std::vector<float> noise(30000), twice;
  for (float& sample : noise) sample = static_cast<float>(random.uniform() - 0.5);
  for (const float sample : noise) twice.push_back(2 * sample);
  at::set_num_threads(1);
  const auto one = resampled(noise, 22050, 16000);
  at::set_num_threads(3);
  CHECK(resampled(noise, 22050, 16000) == one);
  at::set_num_threads(1);
  auto halved = resampled(twice, 22050, 16000);
  for (float& sample : halved) sample /= 2;
  CHECK(halved == one);
}

TEST_CASE("resampling: rates of no simple ratio are refused, a job that is cancelled ends") {
  CHECK_THROWS_WITH_AS(audio::Resampler(767999, 768000),
                       doctest::Contains("simple ratio, received 767999 and 768000"), Error);
  test::CancelsAfter cancelled(0);
  CHECK_THROWS_AS(audio::Resampler(44100, 16000).apply(std::vector<float>(10), cancelled), Cancelled);
}

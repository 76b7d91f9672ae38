#include "audio/filterbank.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>

#include "cancels_after.h"
#include "core/error.h"
#include "core/random.h"
#include "testing.h"

using namespace tongueforge;

namespace {

std::vector<float> noise(int64_t samples, uint64_t seed, double level = 0.3) {
  Random random(seed);
  std::vector<float> wave(static_cast<size_t>(samples));
  for (float& sample : wave) sample = static_cast<float>(level * (2 * random.uniform() - 1));
  return wave;
}

std::vector<float> features(const audio::FilterbankOptions& options, std::span<const float> samples) {
  const audio::Filterbank bank(options);
  std::vector<float> out(
      static_cast<size_t>(bank.num_frames(static_cast<int64_t>(samples.size())) * bank.bins()));
  SilentJob job;
  bank.apply(samples, out.data(), job);
  return out;
}

}  // namespace

TEST_CASE("the Fourier transform of real samples has the powers of the plain sum") {
  for (const int64_t size : {4, 8, 64, 512}) {
    CAPTURE(size);
    const auto wave = noise(size, 3, 1);
    const std::vector<double> samples(wave.begin(), wave.end());
    std::vector<double> power(size / 2 + 1), scratch(size);
    audio::RealFft(size).power(samples.data(), power.data(), scratch.data());
    for (int64_t k = 0; k <= size / 2; k++) {
      std::complex<double> sum = 0;
      for (int64_t i = 0; i < size; i++)
        sum += samples[i] * std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(i * k) /
                                                static_cast<double>(size));
      CHECK(power[k] == doctest::Approx(std::norm(sum)).epsilon(1e-9));
    }
  }
}

TEST_CASE("filterbank: only whole frames count") {
  const audio::Filterbank bank({});
  CHECK(bank.frame_length() == 400);
  CHECK(bank.num_frames(399) == 0);
  CHECK(bank.num_frames(400) == 1);
  CHECK(bank.num_frames(559) == 1);
  CHECK(bank.num_frames(560) == 2);
  CHECK(audio::Filterbank({.rate = 8000}).num_frames(8000) == 98);
}

TEST_CASE("filterbank: a frame depends on its own samples alone") {
  const auto wave = noise(16000, 5);
  const auto whole = features({}, wave);
  for (const int64_t frame : {0, 1, 50, 97}) {
    const auto alone = features({}, std::span(wave).subspan(frame * 160, 400));
    CHECK(std::equal(alone.begin(), alone.end(), whole.begin() + frame * 40));
  }
}

TEST_CASE("filterbank: the same bytes for any number of threads") {
  const auto wave = noise(64000, 6);
  at::set_num_threads(1);
  const auto one = features({.dither = 1, .seed = 4}, wave);
  at::set_num_threads(3);
  CHECK(features({.dither = 1, .seed = 4}, wave) == one);
  at::set_num_threads(1);
}

TEST_CASE("filterbank: twice the level adds ln 4 to every bin, a constant adds nothing") {
  const auto wave = noise(1600, 8);
  auto louder = wave, shifted = wave;
  for (float& sample : louder) sample *= 2;
  for (float& sample : shifted) sample += 0.25f;
  const auto plain = features({}, wave), loud = features({}, louder), moved = features({}, shifted);
  for (size_t i = 0; i < plain.size(); i++) {
    CHECK(loud[i] - plain[i] == doctest::Approx(std::log(4.0)).epsilon(1e-5));
    CHECK(moved[i] == doctest::Approx(plain[i]).epsilon(1e-4));
  }
}

TEST_CASE("filterbank: silence is the logarithm of float's epsilon") {
  for (const float value : features({}, std::vector<float>(800)))
    CHECK(value == static_cast<float>(std::log(std::numeric_limits<float>::epsilon())));
}

TEST_CASE("filterbank: a tone is loudest in the bin whose middle is nearest to it") {
  const auto mel = [](double frequency) { return 1127 * std::log(1 + frequency / 700); };
  const double step = (mel(8000) - mel(20)) / 41;
  for (const double hertz : {300.0, 1000.0, 2500.0, 6000.0}) {
    std::vector<float> wave;
    for (int i = 0; i < 400; i++)
      wave.push_back(static_cast<float>(0.5 * std::sin(2 * std::numbers::pi * hertz * i / 16000)));
    const auto frame = features({}, wave);
    const auto loudest = std::max_element(frame.begin(), frame.end()) - frame.begin();
    CHECK(std::abs(static_cast<double>(loudest) - ((mel(hertz) - mel(20)) / step - 1)) <= 0.75);
  }
}

TEST_CASE("filterbank: dither is a function of its seed, and of the size that was asked for") {
  const std::vector<float> silence(16000);
  const auto first = features({.dither = 1, .seed = 1}, silence);
  CHECK(features({.dither = 1, .seed = 1}, silence) == first);
  CHECK(features({.dither = 1, .seed = 2}, silence) != first);
  CHECK(std::equal(first.begin(), first.begin() + 40, first.begin() + 40) == false);
  const auto larger = features({.dither = 10, .seed = 1}, silence);
  for (size_t i = 0; i < first.size(); i++)
    CHECK(larger[i] - first[i] == doctest::Approx(std::log(100.0)).epsilon(1e-4));
}

TEST_CASE("filterbank: options that cannot be are refused") {
  using audio::Filterbank;
  CHECK_THROWS_WITH_AS(Filterbank({.rate = 8000, .bins = 128}),
                       doctest::Contains("expected fewer bins, received 128"), Error);
  CHECK_THROWS_WITH_AS(Filterbank({.frame_length_ms = 0.05}), doctest::Contains("expected frames of samples"),
                       Error);
  CHECK_THROWS_WITH_AS(Filterbank({.frame_shift_ms = 0}), doctest::Contains("expected frames of samples"),
                       Error);
  CHECK_THROWS_WITH_AS(Filterbank({.high_frequency = 9000}),
                       doctest::Contains("from 0 to 8000 Hz, received 20 to 9000"), Error);
  CHECK_THROWS_AS(Filterbank({.low_frequency = 9000}), Error);
}

TEST_CASE("filterbank: a job that is cancelled ends") {
  const audio::Filterbank bank({});
  const auto wave = noise(16000, 1);
  std::vector<float> out(98 * 40);
  test::CancelsAfter cancelled(0);
  CHECK_THROWS_AS(bank.apply(wave, out.data(), cancelled), Cancelled);
}

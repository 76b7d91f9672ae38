#include "audio/real_fft.h"

#include <bit>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace tongueforge::audio {

RealFft::RealFft(int64_t size) : half_(size / 2) {
  if (size < 4 || !std::has_single_bit(static_cast<uint64_t>(size)))
    throw Error("ERR_INTERNAL", "a Fourier transform of a size that is no power of two");
  reversed_.resize(static_cast<size_t>(half_));
  const int bits = std::countr_zero(static_cast<uint64_t>(half_));
  for (int64_t i = 0; i < half_; i++)
    for (int bit = 0; bit < bits; bit++)
      reversed_[i] |= static_cast<int32_t>((i >> bit & 1) << (bits - 1 - bit));
  const auto add = [](std::vector<double>& cosines, std::vector<double>& sines, double turns) {
    cosines.push_back(std::cos(-2 * std::numbers::pi * turns));
    sines.push_back(std::sin(-2 * std::numbers::pi * turns));
  };
  for (int64_t span = 1; span < half_; span *= 2)
    for (int64_t i = 0; i < span; i++)
      add(cosines_, sines_, static_cast<double>(i) / static_cast<double>(2 * span));
  for (int64_t i = 0; i < half_; i++)
    add(last_cosines_, last_sines_, static_cast<double>(i) / static_cast<double>(size));
}

/// In place, of numbers in reversed order (Cooley & Tukey 1965).
void RealFft::transform(double* real, double* imaginary) const {
  for (int64_t span = 1; span < half_; span *= 2) {
    const double* const cosines = cosines_.data() + span - 1;
    const double* const sines = sines_.data() + span - 1;
    for (int64_t block = 0; block < half_; block += 2 * span) {
      double* const even_real = real + block;
      double* const even_imaginary = imaginary + block;
      double* const odd_real = even_real + span;
      double* const odd_imaginary = even_imaginary + span;
#pragma GCC ivdep
      for (int64_t i = 0; i < span; i++) {
        const double turned_real = odd_real[i] * cosines[i] - odd_imaginary[i] * sines[i];
        const double turned_imaginary = odd_real[i] * sines[i] + odd_imaginary[i] * cosines[i];
        odd_real[i] = even_real[i] - turned_real;
        odd_imaginary[i] = even_imaginary[i] - turned_imaginary;
        even_real[i] += turned_real;
        even_imaginary[i] += turned_imaginary;
      }
    }
  }
}

void RealFft::power(const double* samples, double* power, double* scratch) const {
  double* const real = scratch;
  double* const imaginary = scratch + half_;
  for (int64_t i = 0; i < half_; i++) {
    real[reversed_[i]] = samples[2 * i];
    imaginary[reversed_[i]] = samples[2 * i + 1];
  }
  transform(real, imaginary);
  // Z = E + iO, the transforms of the samples at even and odd places; X = E + turned O.
  for (int64_t i = 0; i <= half_; i++) {
    const int64_t here = i % half_, there = (half_ - i) % half_;
    const double even_real = (real[here] + real[there]) / 2;
    const double even_imaginary = (imaginary[here] - imaginary[there]) / 2;
    const double odd_real = (imaginary[here] + imaginary[there]) / 2;
    const double odd_imaginary = (real[there] - real[here]) / 2;
    const double cosine = i == half_ ? -1 : last_cosines_[i], sine = i == half_ ? 0 : last_sines_[i];
    const double whole_real = even_real + odd_real * cosine - odd_imaginary * sine;
    const double whole_imaginary = even_imaginary + odd_real * sine + odd_imaginary * cosine;
    power[i] = whole_real * whole_real + whole_imaginary * whole_imaginary;
  }
}

}  // namespace tongueforge::audio

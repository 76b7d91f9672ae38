// The Fourier transform of real samples whose number is a power of two, in double: a frame's bytes depend on
// that frame alone, whatever library, thread or batch it is computed with.
#pragma once
#include <cstdint>
#include <vector>

namespace tongueforge::audio {

class RealFft {
 public:
  /// `size`: a power of two, at least 4.
  explicit RealFft(int64_t size);

  int64_t size() const { return 2 * half_; }

  /// samples (size) -> power (size / 2 + 1): |X|^2 of the frequencies 0 to half the sampling rate. `scratch`
  /// (size) is written over.
  void power(const double* samples, double* power, double* scratch) const;

 private:
  void transform(double* real, double* imaginary) const;

  int64_t half_;                                   // complex numbers: two samples in each
  std::vector<int32_t> reversed_;                  // (half): places by their bits read backwards
  std::vector<double> cosines_, sines_;            // of the stages, one after the other: 1, 2, 4 ... half / 2
  std::vector<double> last_cosines_, last_sines_;  // (half): that take the two samples of a number apart
};

}  // namespace tongueforge::audio

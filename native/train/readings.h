// Numbers that a device holds, read together: each by itself would wait for all that the device has to do.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <vector>

namespace tongueforge::train {

class Readings {
 public:
  /// Notes a scalar or a row of them, of any dtype, on the CPU or on the one device of all others. Gives the
  /// place of its first number.
  size_t note(const at::Tensor& numbers);

  /// All numbers in the order they were noted, each as float64 has it. This waits for the device, once.
  std::vector<double> read() const;

 private:
  std::vector<at::Tensor> noted_;  // rows of float64
  size_t count_ = 0;
};

}  // namespace tongueforge::train

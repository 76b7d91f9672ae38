#include "train/readings.h"

#include "kernels/aten.h"

namespace tongueforge::train {
namespace {

// What is on the device, as one row on the CPU.
at::Tensor fetched(const std::vector<at::Tensor>& noted) {
  std::vector<at::Tensor> away;
  for (const auto& numbers : noted)
    if (!numbers.is_cpu()) away.push_back(numbers);
  return away.empty() ? at::empty({0}, at::kDouble) : at::cat(away).cpu();
}

}  // namespace

size_t Readings::note(const at::Tensor& numbers) {
  // A copy: what is noted may be overwritten before it is read.
  noted_.push_back(numbers.detach().reshape({-1}).to(at::kDouble, /*non_blocking=*/false, /*copy=*/true));
  const size_t first = count_;
  count_ += static_cast<size_t>(numbers.numel());
  return first;
}

std::vector<double> Readings::read() const {
  const at::NoGradGuard no_grad;
  const auto from_device = fetched(noted_);
  const auto* next = from_device.const_data_ptr<double>();
  std::vector<double> all;
  for (const auto& numbers : noted_) {
    const auto* first = numbers.is_cpu() ? numbers.const_data_ptr<double>() : next;
    all.insert(all.end(), first, first + numbers.numel());
    if (!numbers.is_cpu()) next += numbers.numel();
  }
  return all;
}

}  // namespace tongueforge::train

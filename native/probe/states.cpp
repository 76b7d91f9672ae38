#include "probe/states.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::probe {
namespace {

void check_finite(const float* values, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    if (std::isfinite(values[i])) continue;
    throw Error("ERR_NON_FINITE",
                str("expected numbers in the hidden states of an utterance, received ", values[i]),
                "Is the model sound? tongueforge inspect MODEL --scan");
  }
}

// (T,D) -> (D)
void write_mean(const float* places, int64_t count, int64_t width, float* mean) {
  std::vector<double> sums(static_cast<size_t>(width));
  for (int64_t t = 0; t < count; t++)
    for (int64_t d = 0; d < width; d++) sums[d] += places[t * width + d];
  for (int64_t d = 0; d < width; d++) mean[d] = static_cast<float>(sums[d] / static_cast<double>(count));
}

}  // namespace

States::States(int64_t layers, int64_t width, const std::vector<int32_t>& rows, bool pooled)
    : layers_(layers), width_(width), pooled_(pooled) {
  for (const int32_t count : rows) {
    stretches_.push_back({rows_, count});
    rows_ += count;
  }
  values_.resize(static_cast<size_t>(layers_ * rows_ * width_));
}

void States::set(int64_t utterance, const at::Tensor& states_LTD) {
  const auto dense = states_LTD.contiguous();
  const auto* const values = dense.const_data_ptr<float>();
  check_finite(values, dense.numel());
  const auto [begin, count] = of(utterance);
  const int64_t places = dense.size(1);
  if (!pooled_ && places != count)
    throw Error(
        "ERR_INPUT_CHANGED",
        str("expected an utterance of ", count, " places, as its head says, received one of ", places),
        "Wait until nobody writes the files, then run again.");
  for (int64_t l = 0; l < layers_; l++) {
    const auto* const from = values + l * places * width_;
    auto* const to = values_.data() + (l * rows_ + begin) * width_;
    if (pooled_)
      write_mean(from, places, width_, to);
    else
      std::copy_n(from, places * width_, to);
  }
}

}  // namespace tongueforge::probe

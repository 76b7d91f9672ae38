#include "merge/delta/delta_samples.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "merge/graft/graft_kernel.h"
#include "merge/source.h"

namespace tongueforge::merge {
namespace {

constexpr uint64_t kSamples = 64;
constexpr uint64_t kGoldenRatio = 0x9e3779b97f4a7c15u;  // of 2^64

/// floor(a * b / 2^64), by halves of 32 bits.
uint64_t high_product(uint64_t a, uint64_t b) {
  const uint64_t low = 0xffffffffu, a0 = a & low, a1 = a >> 32, b0 = b & low, b1 = b >> 32;
  const uint64_t middle = a1 * b0 + ((a0 * b0) >> 32), carried = a0 * b1 + (middle & low);
  return a1 * b1 + (middle >> 32) + (carried >> 32);
}

/// |model - base| / |base| at the samples; negative where nothing can be said.
double relative_distance(const std::vector<float>& base, const Source& model) {
  const auto positions = sample_positions(model.num_elements());
  if (positions.size() != base.size()) return -1;
  double difference = 0, size = 0;
  for (size_t i = 0; i < positions.size(); ++i) {
    float value;
    char scratch[8];
    model.read_floats(positions[i], 1, &value, scratch);
    const double wide = base[i], apart = static_cast<double>(value) - wide;
    difference += apart * apart;
    size += wide * wide;
  }
  return size > 0 ? std::sqrt(difference / size) : -1;
}

}  // namespace

std::vector<uint64_t> sample_positions(uint64_t num_elements) {
  std::vector<uint64_t> positions;
  for (uint64_t i = 0; i < std::min(kSamples, num_elements); ++i)
    positions.push_back(high_product(i * kGoldenRatio, num_elements));
  return positions;
}

BaseDistance distance_from_base(const DeltaFile& delta, const checkpoint::ModelWeights& model) {
  std::vector<double> distances;
  for (const DeltaEntry& entry : delta.tensors()) {
    const checkpoint::Weight* weight = model.find(entry.name);
    if (!entry.samples || !weight || weight->shape() != entry.shape || !graft_reads(weight->dtype()))
      continue;
    const double distance = relative_distance(delta.samples(entry), Source(*weight));
    if (distance >= 0) distances.push_back(distance);
  }
  if (distances.empty()) return {std::numeric_limits<double>::quiet_NaN(), 0};
  const auto middle = distances.begin() + static_cast<std::ptrdiff_t>(distances.size() / 2);
  std::nth_element(distances.begin(), middle, distances.end());
  return {*middle, distances.size()};
}

}  // namespace tongueforge::merge

#include "merge/graft/sparsify.h"

#include <bit>
#include <cmath>
#include <string_view>
#include <vector>

#include "core/random.h"

namespace tongueforge::merge {
namespace {

uint32_t magnitude(float value) { return std::bit_cast<uint32_t>(value) & 0x7fffffffu; }

/// The bin that holds the k-th largest entry (k from 1) and how many entries lie in the bins above.
struct Bin {
  uint32_t index = 0;
  uint64_t above = 0;
};

Bin bin_of(const std::vector<uint64_t>& counts, uint64_t k) {
  uint64_t above = 0;
  for (auto index = static_cast<uint32_t>(counts.size()); index-- > 0; above += counts[index])
    if (above + counts[index] >= k) return {index, above};
  return {0, above};
}

uint64_t hash(std::string_view text) {  // FNV-1a
  uint64_t value = 14695981039346656037u;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return value;
}

}  // namespace

// A radix select over the bits of the magnitude: the upper 15, then the lower 16.
MagnitudeCut::MagnitudeCut(uint64_t num_elements, double density, const Scan& scan) {
  const auto kept = static_cast<uint64_t>(std::llround(density * static_cast<double>(num_elements)));
  if (kept >= num_elements) return;
  if (kept == 0) {
    bits_ = UINT32_MAX;
    return;
  }
  std::vector<uint64_t> upper(size_t{1} << 15), lower(size_t{1} << 16);
  scan([&](const float* values, uint64_t, size_t count) {
    for (size_t i = 0; i < count; ++i) ++upper[magnitude(values[i]) >> 16];
  });
  const Bin high = bin_of(upper, kept);
  scan([&](const float* values, uint64_t, size_t count) {
    for (size_t i = 0; i < count; ++i)
      if (magnitude(values[i]) >> 16 == high.index) ++lower[magnitude(values[i]) & 0xffffu];
  });
  const Bin low = bin_of(lower, kept - high.above);
  bits_ = high.index << 16 | low.index;
  const uint64_t wanted = kept - high.above - low.above;
  if (wanted == lower[low.index]) return;
  uint64_t seen = 0;
  scan([&](const float* values, uint64_t first, size_t count) {
    for (size_t i = 0; i < count && seen < wanted; ++i)
      if (magnitude(values[i]) == bits_ && ++seen == wanted) end_ = first + i + 1;
  });
}

void MagnitudeCut::apply(float* values, uint64_t first, size_t count) const {
  for (size_t i = 0; i < count; ++i) {
    const uint32_t bits = magnitude(values[i]);
    const bool kept = bits > bits_ || (bits == bits_ && first + i < end_);
    values[i] = kept ? values[i] : 0.0f;
  }
}

void drop_by_chance(const Sparsify& sparsify, std::string_view tensor, uint64_t vector, float* values,
                    uint64_t first, size_t count) {
  const uint64_t stream = Random(sparsify.seed ^ hash(tensor) ^ (vector * 0x9e3779b97f4a7c15u)).next();
  const double density = sparsify.density;
  for (size_t i = 0; i < count; ++i) {
    const bool kept = Random(stream + (first + i) * 0xd1342543de82ef95u).uniform() < density;
    values[i] = kept ? static_cast<float>(static_cast<double>(values[i]) / density) : 0.0f;
  }
}

}  // namespace tongueforge::merge

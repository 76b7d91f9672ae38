#include "kernels/magnitude_mask.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::kernels {
namespace {

// A stretch of one tensor, and of its masks.
struct Span {
  at::ScalarType type;
  const void* values;
  const bool* already;  // may be null
  bool* mask;
  int64_t size;
};

using Competitors = std::vector<Span>;

// In the order of |value|; what is masked already before all others, a NaN after them.
uint32_t key_of(float value, bool already) {
  return already ? 0 : (std::bit_cast<uint32_t>(value) & 0x7fffffffu) + 1;
}

template <typename T, typename Visit>
void each_key_of(const Span& span, const Visit& visit) {
  const auto* const values = static_cast<const T*>(span.values);
  for (int64_t i = 0; i < span.size; i++)
    visit(i, key_of(static_cast<float>(values[i]), span.already != nullptr && span.already[i]));
}

// visit(place, key) for each value.
template <typename Visit>
void each_key(const Span& span, const Visit& visit) {
  switch (span.type) {
    case at::kFloat:
      return each_key_of<float>(span, visit);
    case at::kBFloat16:
      return each_key_of<at::BFloat16>(span, visit);
    case at::kHalf:
      return each_key_of<at::Half>(span, visit);
    default:
      throw Error("ERR_USAGE", str("Expected weights in float32, bfloat16 or float16, received ",
                                   c10::toString(span.type)));
  }
}

struct Threshold {
  uint32_t key;
  int64_t below;  // how many keys are smaller
};

// The k-th smallest key, k from 1: its highest bits first, then those after them.
Threshold kth_smallest(const Competitors& all, int64_t k) {
  Threshold found = {0, 0};
  int shift = 32;
  for (const int bits : {11, 11, 10}) {
    const int known = shift;
    shift -= bits;
    std::vector<int64_t> counts(size_t{1} << bits);
    for (const auto& span : all)
      each_key(span, [&](int64_t, uint64_t key) {
        if (key >> known == found.key) counts[(key >> shift) & (counts.size() - 1)]++;
      });
    uint32_t bin = 0;
    while (found.below + counts[bin] < k) found.below += counts[bin++];
    found.key = found.key << bits | bin;
  }
  return found;
}

int64_t count_already(const Competitors& all) {
  int64_t count = 0;
  for (const auto& span : all)
    if (span.already != nullptr) count += std::count(span.already, span.already + span.size, true);
  return count;
}

// Marks the share of what competes; the masks are false before.
void mark_smallest(const Competitors& all, double share) {
  int64_t size = 0;
  for (const auto& span : all) size += span.size;
  const int64_t k = std::max(share_of(share, size), count_already(all));
  if (k == 0) return;
  const auto [threshold, below] = kth_smallest(all, k);
  int64_t ties = k - below;
  for (const auto& span : all)
    each_key(span, [&, threshold = threshold](int64_t i, uint32_t key) {
      span.mask[i] = key < threshold || (key == threshold && ties-- > 0);
    });
}

Span span_of(const at::Tensor& values, const at::Tensor& maybe_already, at::Tensor& mask) {
  return {values.scalar_type(), values.const_data_ptr(),
          maybe_already.defined() ? maybe_already.const_data_ptr<bool>() : nullptr,
          mask.mutable_data_ptr<bool>(), values.numel()};
}

// The rows of a matrix, each to compete for itself.
std::vector<Competitors> rows_of(const Span& span, int64_t element_size, int64_t rows) {
  std::vector<Competitors> all;
  const int64_t columns = rows == 0 ? 0 : span.size / rows;
  for (int64_t row = 0; row < rows; row++) {
    const int64_t at = row * columns;
    all.push_back({{span.type, static_cast<const char*>(span.values) + at * element_size,
                    span.already == nullptr ? nullptr : span.already + at, span.mask + at, columns}});
  }
  return all;
}

void mark_rows(const at::Tensor& values, const Span& span, double share) {
  const auto rows = rows_of(span, values.element_size(), values.dim() < 2 ? 1 : values.size(0));
  at::parallel_for(0, static_cast<int64_t>(rows.size()), 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) mark_smallest(rows[row], share);
  });
}

}  // namespace

MaskScope mask_scope_from_name(const std::string& name) {
  if (name == "global") return MaskScope::global;
  if (name == "layer") return MaskScope::layer;
  if (name == "row") return MaskScope::row;
  throw Error("ERR_USAGE", str("Expected scope global, layer or row, received '", name, "'"));
}

int64_t share_of(double share, int64_t n) {
  return static_cast<int64_t>(std::nearbyint(share * static_cast<double>(n)));
}

std::vector<at::Tensor> smallest(const std::vector<at::Tensor>& pool, MaskScope scope, double share,
                                 const std::vector<at::Tensor>& already) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> values, masks, earlier;  // laid out row after row; they outlive the spans
  Competitors whole;
  for (size_t i = 0; i < pool.size(); i++) {
    values.push_back(pool[i].detach().contiguous());
    earlier.push_back(already.empty() ? at::Tensor() : already[i].contiguous());
    masks.push_back(at::zeros(pool[i].sizes(), at::kBool));
    whole.push_back(span_of(values[i], earlier[i], masks[i]));
  }
  if (scope == MaskScope::global) mark_smallest(whole, share);
  for (size_t i = 0; i < whole.size(); i++) {
    if (scope == MaskScope::layer) mark_smallest({whole[i]}, share);
    if (scope == MaskScope::row) mark_rows(values[i], whole[i], share);
  }
  return masks;
}

}  // namespace tongueforge::kernels

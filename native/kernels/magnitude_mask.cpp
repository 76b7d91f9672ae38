#include "kernels/magnitude_mask.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "kernels/aten.h"
#include "kernels/selection.h"

namespace tongueforge::kernels {
namespace {

// A stretch of one tensor, and of what is masked of it.
struct Span {
  at::ScalarType type;
  const void* values;
  const bool* already;  // may be null
  int64_t size;
};

using Competitors = std::vector<Span>;

// In the order of |value|; what is masked already before all others.
uint32_t key_of(float value, bool already) { return already ? 0 : magnitude_key(value) + 1; }

template <typename T, typename Visit>
void each_key_of(const Span& span, Visit& visit) {
  const auto* const values = static_cast<const T*>(span.values);
  for (int64_t i = 0; i < span.size; i++)
    visit(key_of(static_cast<float>(values[i]), span.already != nullptr && span.already[i]));
}

// visit(key) for each value in turn.
template <typename Visit>
void each_key(const Span& span, Visit&& visit) {
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

void mark(const Span& span, Cut& cut, bool* mask) {
  each_key(span, [&](uint32_t key) { *mask++ = cut.takes(key); });
}

void check(const Job* maybe_job) {
  if (maybe_job) maybe_job->check();
}

int64_t count_already(const Competitors& all) {
  int64_t count = 0;
  for (const auto& span : all)
    if (span.already != nullptr) count += std::count(span.already, span.already + span.size, true);
  return count;
}

// Under which the share of what competes falls.
Cut cut_of_share(const Competitors& all, double share, const Job* maybe_job) {
  int64_t size = 0;
  for (const auto& span : all) size += span.size;
  return cut_of(size, std::max(share_of(share, size), count_already(all)), [&](auto&& visit) {
    for (const auto& span : all) {
      check(maybe_job);
      each_key(span, visit);
    }
  });
}

Span span_of(const at::Tensor& values, const at::Tensor& maybe_already) {
  return {values.scalar_type(), values.const_data_ptr(),
          maybe_already.defined() ? maybe_already.const_data_ptr<bool>() : nullptr, values.numel()};
}

// Each row competes for itself; a vector is one row.
void mark_rows(const at::Tensor& values, const Span& span, double share, bool* mask) {
  const int64_t rows = values.dim() < 2 ? 1 : values.size(0), columns = rows == 0 ? 0 : span.size / rows;
  const auto* const bytes = static_cast<const char*>(span.values);
  at::parallel_for(0, rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin * columns; at < end * columns; at += columns) {
      const Span row = {span.type, bytes + at * values.element_size(),
                        span.already == nullptr ? nullptr : span.already + at, columns};
      auto cut = cut_of_share({row}, share, nullptr);
      mark(row, cut, mask + at);
    }
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

void for_smallest(const std::vector<at::Tensor>& pool, MaskScope scope, double share,
                  const std::vector<at::Tensor>& already, const Job* maybe_job,
                  const std::function<void(size_t place, const at::Tensor& mask)>& see) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> values, earlier;  // laid out row after row; they outlive the spans
  Competitors whole;
  for (size_t i = 0; i < pool.size(); i++) {
    values.push_back(pool[i].detach().cpu().contiguous());
    earlier.push_back(already.empty() ? at::Tensor() : already[i].cpu().contiguous());
    whole.push_back(span_of(values[i], earlier[i]));
  }
  Cut cut;
  if (scope == MaskScope::global) cut = cut_of_share(whole, share, maybe_job);
  for (size_t i = 0; i < whole.size(); i++) {
    check(maybe_job);
    const auto mask = at::zeros(pool[i].sizes(), at::kBool);
    auto* const bits = mask.mutable_data_ptr<bool>();
    if (scope == MaskScope::layer) cut = cut_of_share({whole[i]}, share, maybe_job);
    if (scope == MaskScope::row) {
      mark_rows(values[i], whole[i], share, bits);
    } else {
      mark(whole[i], cut, bits);
    }
    see(i, mask.to(pool[i].device()));
  }
}

std::vector<at::Tensor> smallest(const std::vector<at::Tensor>& pool, MaskScope scope, double share,
                                 const std::vector<at::Tensor>& already, const Job* maybe_job) {
  std::vector<at::Tensor> masks;
  for_smallest(pool, scope, share, already, maybe_job,
               [&](size_t, const at::Tensor& mask) { masks.push_back(mask); });
  return masks;
}

}  // namespace tongueforge::kernels

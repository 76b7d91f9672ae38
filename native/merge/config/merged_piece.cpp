#include "merge/config/merged_piece.h"

#include <algorithm>

#include "merge/float_output.h"

namespace tongueforge::merge {
namespace {

/// Of the workspace, behind those of reading: the result, then base and inputs.
enum Slot : size_t { kResult = kInputSlots, kValues };

constexpr uint64_t kStretch = uint64_t{1} << 15;  // elements whose floats stay in the second-level cache

}  // namespace

MergedPiece::MergedPiece(const Method& method, MergedTensor tensor, std::shared_ptr<MergeDraws> draws)
    : method_(method), tensor_(std::move(tensor)), draws_(std::move(draws)) {
  const auto note = [this](const MergeInput& input) {
    by_rows_ = by_rows_ || input.by_rows();
    has_product_ = has_product_ || input.has_product();
  };
  for (const MergeInput& input : tensor_.inputs) note(input);
  if (tensor_.base) note(*tensor_.base);
}

uint64_t MergedPiece::granule() const {
  if (!method_.elementwise) return std::max<uint64_t>(width(), num_bytes());
  return by_rows_ ? row_elements() * width() : width();
}

// The first factor of a product is read for every stretch: those with one are large.
uint64_t MergedPiece::stretch(uint64_t count) const {
  if (!method_.elementwise || has_product_) return count;
  return by_rows_ ? std::max<uint64_t>(1, kStretch / row_elements()) * row_elements() : kStretch;
}

uint64_t MergedPiece::workspace_bytes(uint64_t chunk_bytes) const {
  const uint64_t count = std::min(num_elements(), chunk_bytes / width());
  const uint64_t tensors = tensor_.inputs.size() + (tensor_.base ? 2 : 1);
  const auto& [once, each] = method_.scratch;
  const uint64_t scratch = static_cast<uint64_t>(once) + static_cast<uint64_t>(each) * tensor_.inputs.size();
  return std::min(count, stretch(count)) * (tensors * sizeof(float) + scratch);
}

void MergedPiece::produce(uint64_t begin, uint64_t end, char* out, Workspace& workspace,
                          PieceSums& sums) const {
  const uint64_t last = end / width(), step = stretch((end - begin) / width());
  for (uint64_t first = begin / width(); first < last; first += step) {
    workspace.check();
    merge_stretch(first, std::min(step, last - first), out + (first * width() - begin), workspace, sums);
  }
}

void MergedPiece::merge_stretch(uint64_t first, uint64_t count, char* out, Workspace& workspace,
                                PieceSums& sums) const {
  size_t slot = kValues;
  const auto values = [&](const MergeInput& input) {
    float* const read = workspace.floats(slot++, count);
    input.read(first, count, read, workspace, sums);
    return read;
  };
  const auto check = [&] { workspace.check(); };
  const auto draws = method_.draws ? draws_->of(tensor_.name, tensor_.draws_begin, check) : nullptr;
  MethodTensor tensor{.name = tensor_.name,
                      .shape = tensor_.inputs.front().shape(),
                      .size = count,
                      .base = tensor_.base ? values(*tensor_.base) : nullptr,
                      .inputs = {},
                      .parameters = tensor_.parameters,
                      .compat = tensor_.working_dtype,
                      .draws = draws.get(),
                      .check = check};
  for (size_t i = 0; i < tensor_.inputs.size(); ++i)
    tensor.inputs.push_back({values(tensor_.inputs[i]), tensor_.input_parameters[i]});
  float* const result = workspace.floats(kResult, count);
  method_.merge(tensor, result);
  sums.graft.num_nonfinite += store_floats(tensor_.dtype, result, count, out);
}

}  // namespace tongueforge::merge

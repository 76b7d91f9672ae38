#include "merge/config/adapter_product.h"

#include <vector>

#include "merge/low_rank_kernel.h"
#include "merge/source.h"

namespace tongueforge::merge {
namespace {

constexpr uint64_t kRowsAtOnce = 64;  // between two looks at the job

/// Elements [first, first + count) in double.
std::vector<double> read_doubles(const checkpoint::Weight& weight, uint64_t first, uint64_t count,
                                 PieceSums& sums) {
  const Source source(weight);
  std::vector<float> values(count);
  std::vector<char> raw(count * static_cast<uint64_t>(dtype_width(weight.dtype())));
  sums.bytes_read += source.read_floats(first, count, values.data(), raw.data());
  return {values.begin(), values.end()};
}

}  // namespace

void add_product(const ModelTensor& tensor, uint64_t row_elements, int64_t row, uint64_t num_rows, float* to,
                 Workspace& workspace, PieceSums& sums) {
  if (!tensor.has_product()) return;
  LowRankFactors factors;
  factors.rank = static_cast<size_t>(tensor.a.shape()[0]);
  factors.columns = row_elements;
  factors.a = read_doubles(tensor.a, 0, factors.rank * factors.columns, sums);
  factors.scaled_b =
      read_doubles(tensor.b, static_cast<uint64_t>(row) * factors.rank, num_rows * factors.rank, sums);
  for (double& value : factors.scaled_b) value *= tensor.scale;
  RoundingSums ignored;
  for (uint64_t i = 0; i < num_rows; ++i, to += row_elements) {
    if (i % kRowsAtOnce == 0) workspace.check();
    merge_low_rank_row(factors, i, DType::F32, to, to, ignored);
  }
}

}  // namespace tongueforge::merge

// A tensor of an input as the output sees it: its bytes in a file, or what is made of other bytes; perhaps
// with its rows in another order.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "checkpoint/model_weights.h"
#include "merge/low_rank_source.h"

namespace tongueforge::merge {

/// Of each row of the output: the row of the input, or -1 where the input has none.
using RowMap = std::shared_ptr<const std::vector<int32_t>>;

/// Reads values [first, first + count) of a tensor, in C order, as float32. Called from several threads.
using ReadValues = std::function<void(uint64_t first, uint64_t count, float* out)>;

class Source {
 public:
  Source() = default;
  /// `low_rank`, of the rows of the input, is added to values that are read as floats.
  explicit Source(const checkpoint::Weight& weight, RowMap rows = nullptr, LowRankSource low_rank = {});
  /// Float32 values that are made when they are read; they count as read.
  Source(ReadValues values, std::vector<int64_t> shape, RowMap rows = nullptr);
  /// Float32 zeros, which need no reading.
  static Source zeros(std::vector<int64_t> shape);

  DType dtype() const { return weight_.info ? weight_.dtype() : DType::F32; }
  /// With the rows of the map where there is one.
  const std::vector<int64_t>& shape() const { return shape_; }
  uint64_t num_elements() const { return num_elements_; }

  /// Elements [first, first + count) in the dtype of the file, without what an adapter adds; rows that the
  /// input does not have are zeros.
  /// @return bytes that were read
  uint64_t read_raw(uint64_t first, uint64_t count, char* to) const;

  /// The same as float32, exactly, and what an adapter adds, rounded once. BF16, F16, F32, F8_E4M3 and
  /// F8_E5M2. `scratch` holds count elements of the file's dtype, and is not touched for F32.
  uint64_t read_floats(uint64_t first, uint64_t count, float* to, char* scratch) const;

 private:
  void map_rows();
  uint64_t read_stored(uint64_t first, uint64_t count, char* to) const;
  uint64_t read_mapped(uint64_t first, uint64_t count, char* to) const;
  void add_low_rank(uint64_t first, uint64_t count, float* to) const;

  checkpoint::Weight weight_;  // or, without a tensor:
  ReadValues values_;          // none: zeros
  RowMap rows_;
  LowRankSource low_rank_;
  std::vector<int64_t> shape_;
  uint64_t num_elements_ = 0, row_elements_ = 0;
};

}  // namespace tongueforge::merge

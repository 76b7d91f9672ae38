// What a delta file loses, measured: read back and held against the difference that it was made of.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/job.h"
#include "core/value.h"
#include "merge/delta/delta_codec.h"
#include "merge/delta/delta_file.h"

namespace tongueforge::merge {

/// A tensor of both models: the difference, and the base that it is a difference from.
struct MeasuredInput {
  DeltaInput difference;
  ReadValues base;
};

/// Sums over elements, in float32 differences and double sums.
struct DeltaSums {
  double delta_squared = 0, error_squared = 0, base_squared = 0;

  void add(const DeltaSums& other);
  /// |d - decode(d)| / |d|; 0 where d is 0 and nothing else came back.
  double relative_error() const;
};

struct DeltaTensorFigures {
  std::string name;
  std::vector<int64_t> shape;
  std::string format;
  uint64_t num_elements = 0, num_bytes = 0;
  DeltaSums sums;
};

struct DeltaFigures {
  std::vector<DeltaTensorFigures> tensors;  // in the order of their names
  uint64_t file_bytes = 0;
};

/// {elements, bytes, dense_bytes, ratio, delta_l2, error_l2, relative_error, base_l2, tensors: [{name, shape,
/// format, elements, bytes, delta_l2, error_l2, relative_error, base_l2}]}; dense_bytes as float32, ratio of
/// that to bytes.
Value to_value(const DeltaFigures& figures);

/// Reads every tensor back, several at a time. `measured` hears of elements that are done, on any thread.
DeltaFigures measure_delta(const DeltaFile& file, const std::vector<MeasuredInput>& inputs,
                           size_t num_threads, const Job& job,
                           const std::function<void(uint64_t elements)>& measured);

}  // namespace tongueforge::merge

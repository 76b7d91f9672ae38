// Rows as the packer made them.
#pragma once
#include <cstdint>
#include <vector>

#include "binding/options.h"
#include "train/batch.h"

namespace tongueforge::binding {

/// {ids, labels, segments: Int32Array(rows * T), rows, reference?: number[]}, or of sound, without ids,
/// {labels, segments, rows, sounds: Float32Array[], frame_width, hidden?: Int32Array(rows * T)}; copied:
/// native work outlives the call.
struct PackedRows {
  std::vector<int32_t> ids, labels, segments;
  std::vector<double> reference;  // of each document, row after row
  std::vector<std::vector<float>> sounds;
  int64_t frame_width = 0;  // 0: samples
  std::vector<int32_t> hidden;
  int64_t rows;

  explicit PackedRows(const Options& options);

  /// Throws ERR_DATA for ids outside the vocabulary.
  train::Batch batch(int64_t vocab_size) const;
};

/// The list under `batches`.
std::vector<PackedRows> read_batches(const Options& options);

std::vector<train::Batch> to_batches(const std::vector<PackedRows>& packed, int64_t vocab_size);

}  // namespace tongueforge::binding

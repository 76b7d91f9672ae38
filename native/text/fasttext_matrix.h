// The matrices of a fastText model: rows of floats, or of codes of a product quantiser (Jegou et al. 2011;
// Joulin et al. 2016, "FastText.zip"). They point into the bytes of the file, which have to outlive them.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/fasttext_bytes.h"

namespace tongueforge::text {

/// Vectors of `dim` values cut into parts, each told by the number of one of 256 centroids.
class ProductQuantizer {
 public:
  /// @throws ERR_FASTTEXT where its sizes are not those of a vector of `dim`
  static ProductQuantizer read(FastTextBytes& bytes, int64_t dim);

  int64_t parts() const { return parts_; }
  /// x (dim) += scale * vector
  void add(const uint8_t* codes, float scale, float* x) const;
  /// scale * (x . vector)
  float dot(const uint8_t* codes, float scale, const float* x) const;
  /// Of a vector of one value.
  float value(uint8_t code) const { return centroids_[code]; }

 private:
  const float* centroid(int64_t part, uint8_t code) const;
  int64_t width_of(int64_t part) const { return part == parts_ - 1 ? last_width_ : width_; }
  int64_t parts_ = 0, width_ = 0, last_width_ = 0;
  std::vector<float> centroids_;  // part after part: 256 rows of its width
};

class FastTextMatrix {
 public:
  /// @param quantized as the flag before it in the file says
  /// @param columns that it has to have
  static FastTextMatrix read(FastTextBytes& bytes, bool quantized, int64_t columns);

  int64_t rows() const { return rows_; }
  /// x (columns) += row
  void add_row(int64_t row, float* x) const;
  /// x . row
  float dot_row(int64_t row, const float* x) const;

 private:
  void read_codes(FastTextBytes& bytes, bool norms);
  float norm_of(int64_t row) const;
  float at(int64_t row, int64_t column) const;
  const uint8_t* codes_of(int64_t row) const;

  int64_t rows_ = 0, columns_ = 0;
  bool quantized_ = false;
  std::string_view values_;  // floats row by row, not aligned; or codes
  std::string_view norms_;   // a code a row, or empty
  ProductQuantizer quantizer_, norm_quantizer_;
};

}  // namespace tongueforge::text

#include "text/fasttext_matrix.h"

#include <cstring>

namespace tongueforge::text {
namespace {

constexpr int64_t kCentroids = 256;
/// Fewer than what an int64 counts in bytes: products of the two stay whole.
constexpr int64_t kMostRows = int64_t{1} << 40;

}  // namespace

ProductQuantizer ProductQuantizer::read(FastTextBytes& bytes, int64_t dim) {
  ProductQuantizer quantizer;
  const auto whole = static_cast<int32_t>(dim);
  bytes.number<int32_t>("the width of what is quantised", whole, whole);
  const uint64_t parts_at = bytes.at();
  quantizer.parts_ = bytes.number<int32_t>("parts of the quantiser", 1, whole);
  quantizer.width_ = bytes.number<int32_t>("values of a part", 1, whole);
  const int64_t rest = dim % quantizer.width_;
  if (quantizer.parts_ != (dim + quantizer.width_ - 1) / quantizer.width_)
    bytes.refuse(parts_at, "quantizer",
                 str("expected parts of ", quantizer.width_, " values that make ", dim, ", received ",
                     quantizer.parts_, " parts"));
  const auto last = static_cast<int32_t>(rest == 0 ? quantizer.width_ : rest);
  quantizer.last_width_ = bytes.number<int32_t>("values of the last part", last, last);
  const auto centroids = bytes.take_all(static_cast<uint64_t>(dim * kCentroids), sizeof(float), "centroids");
  quantizer.centroids_.resize(static_cast<size_t>(dim * kCentroids));
  std::memcpy(quantizer.centroids_.data(), centroids.data(), centroids.size());
  return quantizer;
}

const float* ProductQuantizer::centroid(int64_t part, uint8_t code) const {
  return centroids_.data() + part * kCentroids * width_ + code * width_of(part);
}

void ProductQuantizer::add(const uint8_t* codes, float scale, float* x) const {
  for (int64_t part = 0; part < parts_; part++, x += width_) {
    const float* values = centroid(part, codes[part]);
    for (int64_t i = 0; i < width_of(part); i++) x[i] += scale * values[i];
  }
}

float ProductQuantizer::dot(const uint8_t* codes, float scale, const float* x) const {
  float sum = 0;
  for (int64_t part = 0; part < parts_; part++, x += width_) {
    const float* values = centroid(part, codes[part]);
    for (int64_t i = 0; i < width_of(part); i++) sum += x[i] * values[i];
  }
  return scale * sum;
}

FastTextMatrix FastTextMatrix::read(FastTextBytes& bytes, bool quantized, int64_t columns) {
  FastTextMatrix matrix;
  matrix.quantized_ = quantized;
  const bool norms = quantized && bytes.flag("the flag of quantised norms");
  matrix.rows_ = bytes.number<int64_t>("rows of a matrix", 0, kMostRows);
  matrix.columns_ = bytes.number<int64_t>("columns of a matrix", columns, columns);
  if (quantized)
    matrix.read_codes(bytes, norms);
  else
    matrix.values_ = bytes.take_all(static_cast<uint64_t>(matrix.rows_),
                                    static_cast<uint64_t>(columns) * sizeof(float), "a matrix");
  return matrix;
}

void FastTextMatrix::read_codes(FastTextBytes& bytes, bool norms) {
  const uint64_t size_at = bytes.at();
  const auto size = bytes.number<int32_t>("bytes of codes", 0, INT32_MAX);
  values_ = bytes.take(static_cast<uint64_t>(size), "codes");
  quantizer_ = ProductQuantizer::read(bytes, columns_);
  if (size != rows_ * quantizer_.parts())
    bytes.refuse(size_at, "codes",
                 str("expected ", rows_, " x ", quantizer_.parts(), " bytes of codes, received ", size));
  if (!norms) return;
  norms_ = bytes.take(static_cast<uint64_t>(rows_), "codes of norms");
  norm_quantizer_ = ProductQuantizer::read(bytes, 1);
}

const uint8_t* FastTextMatrix::codes_of(int64_t row) const {
  return reinterpret_cast<const uint8_t*>(values_.data()) + row * quantizer_.parts();
}

float FastTextMatrix::norm_of(int64_t row) const {
  return norms_.empty() ? 1 : norm_quantizer_.value(static_cast<uint8_t>(norms_[static_cast<size_t>(row)]));
}

float FastTextMatrix::at(int64_t row, int64_t column) const {
  float value;
  std::memcpy(&value, values_.data() + (row * columns_ + column) * int64_t{sizeof value}, sizeof value);
  return value;
}

void FastTextMatrix::add_row(int64_t row, float* x) const {
  if (quantized_) return quantizer_.add(codes_of(row), norm_of(row), x);
  for (int64_t i = 0; i < columns_; i++) x[i] += at(row, i);
}

float FastTextMatrix::dot_row(int64_t row, const float* x) const {
  if (quantized_) return quantizer_.dot(codes_of(row), norm_of(row), x);
  float sum = 0;
  for (int64_t i = 0; i < columns_; i++) sum += at(row, i) * x[i];
  return sum;
}

}  // namespace tongueforge::text

#include "merge/delta/delta_quantised.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "merge/delta/delta_dense.h"

namespace tongueforge::merge {
namespace {

/// Eight bits or four: the largest code, and how the codes of a row lie in bytes.
struct Width {
  const char* suffix;
  DType dtype;
  float largest;
  bool packed;

  uint64_t row_bytes(uint64_t columns) const { return packed ? (columns + 1) / 2 : columns; }

  void store(const int8_t* codes, uint64_t columns, char* out) const {
    if (!packed) return std::memcpy(out, codes, columns), void();
    for (uint64_t j = 0; j < columns; j += 2) {
      const int low = codes[j] + 8, high = (j + 1 < columns ? codes[j + 1] : 0) + 8;
      out[j / 2] = static_cast<char>(low | high << 4);
    }
  }

  int load(const char* bytes, uint64_t column) const {
    if (!packed) return static_cast<int8_t>(bytes[column]);
    const auto pair = static_cast<unsigned char>(bytes[column / 2]);
    return (column % 2 ? pair >> 4 : pair & 15) - 8;
  }
};

constexpr Width kEight{"int8", DType::I8, 127.0f, false};
constexpr Width kFour{"int4", DType::U8, 7.0f, true};

uint64_t num_groups(uint64_t columns, uint64_t group) { return (columns + group - 1) / group; }

std::vector<int64_t> with_last(std::vector<int64_t> shape, uint64_t last) {
  shape.back() = static_cast<int64_t>(last);
  return shape;
}

class Encoder final : public DeltaEncoder {
 public:
  Encoder(const DeltaInput& input, uint64_t group, const Width& width)
      : read_(input.read), shape_(input.shape), columns_(input.columns()), group_(group), width_(width) {
    const uint64_t row_bytes = width.row_bytes(columns_), groups = num_groups(columns_, group);
    parts_ = {{width.suffix, width.dtype, with_last(shape_, row_bytes), row_bytes},
              {"scales", DType::F32, with_last(shape_, groups), groups * 4}};
    if (width.packed) parts_.push_back({"shape", DType::I64, {static_cast<int64_t>(shape_.size())}, 8});
  }

  const std::vector<DeltaPart>& parts() const override { return parts_; }

  void produce(size_t part, uint64_t begin, uint64_t end, char* out,
               const Workspace& workspace) const override {
    if (part == 2) {
      std::memcpy(out, reinterpret_cast<const char*>(shape_.data()) + begin, end - begin);
      return;
    }
    const uint64_t row_bytes = parts_[part].granule;
    const uint64_t rows_at_a_time = std::max<uint64_t>(1, kStretch / columns_);
    std::vector<float> values, scales(num_groups(columns_, group_));
    for (uint64_t row = begin / row_bytes; row < end / row_bytes; row += rows_at_a_time) {
      workspace.check();
      const uint64_t count = std::min(rows_at_a_time, end / row_bytes - row);
      values.resize(count * columns_);
      read_(row * columns_, values.size(), values.data());
      for (uint64_t i = 0; i < count; ++i, out += row_bytes)
        encode_row(std::span(values).subspan(i * columns_, columns_), part == 1, scales, out);
    }
  }

 private:
  static constexpr uint64_t kStretch = uint64_t{1} << 17;

  void encode_row(std::span<const float> row, bool scales_alone, std::vector<float>& scales,
                  char* out) const {
    std::vector<int8_t> codes(scales_alone ? 0 : columns_);
    for (uint64_t g = 0; g < scales.size(); ++g) {
      const uint64_t first = g * group_, count = std::min(group_, columns_ - first);
      const auto values = row.subspan(first, count);
      scales[g] = scale_of(values);
      for (uint64_t j = 0; j < (scales_alone ? 0 : count); ++j)
        codes[first + j] = code_of(values[j], scales[g]);
    }
    if (scales_alone) {
      std::memcpy(out, scales.data(), scales.size() * 4);
    } else {
      width_.store(codes.data(), columns_, out);
    }
  }

  float scale_of(std::span<const float> values) const {
    float largest = 0;
    for (const float value : values) largest = std::max(largest, std::abs(value));
    return largest / width_.largest;
  }

  // A scale below the smallest normal number has few digits: its quotients may lie beyond the codes.
  int8_t code_of(float value, float scale) const {
    const float quotient = scale == 0 ? 0.0f : std::nearbyint(value / scale);
    return static_cast<int8_t>(std::clamp(quotient, -width_.largest, width_.largest));
  }

  ReadValues read_;
  std::vector<int64_t> shape_;
  uint64_t columns_, group_;
  const Width& width_;
  std::vector<DeltaPart> parts_;
};

class Tensor final : public DeltaTensor {
 public:
  Tensor(const StoredDelta& stored, const std::vector<int64_t>& shape, const Width& width)
      : file_(*stored.file),
        codes_(stored.at(width.suffix)),
        scales_(stored.at("scales")),
        columns_(static_cast<uint64_t>(shape.back())),
        group_(stored.setting("group")),
        width_(width) {}

  void read(uint64_t first, uint64_t count, float* out) const override {
    if (count == 0) return;
    const uint64_t end = first + count, num_rows = (end - 1) / columns_ + 1 - first / columns_;
    const uint64_t row_bytes = width_.row_bytes(columns_), groups = num_groups(columns_, group_);
    const uint64_t first_row = first / columns_;
    std::vector<char> codes(num_rows * row_bytes);
    std::vector<float> scales(num_rows * groups);
    file_.read_range(codes_, first_row * row_bytes, codes.size(), codes.data());
    file_.read_range(scales_, first_row * groups * 4, scales.size() * 4, scales.data());
    for (uint64_t row = 0; row < num_rows; ++row) {
      const uint64_t begin = (first_row + row) * columns_;
      const uint64_t from = std::max(first, begin) - begin, to = std::min(end, begin + columns_) - begin;
      for (uint64_t column = from; column < to; ++column)
        *out++ = static_cast<float>(width_.load(&codes[row * row_bytes], column)) *
                 scales[row * groups + column / group_];
    }
  }

 private:
  const checkpoint::SafetensorsFile& file_;
  const checkpoint::TensorInfo &codes_, &scales_;
  uint64_t columns_, group_;
  const Width& width_;
};

std::unique_ptr<DeltaEncoder> encode(const DeltaInput& input, const DeltaSettings& settings,
                                     const Width& width) {
  if (!input.is_matrix()) return encode_dense(input, settings);
  return std::make_unique<Encoder>(input, settings.group, width);
}

/// Refuses codes and scales that are not those of a tensor of `shape`.
std::vector<int64_t> checked(const StoredDelta& stored, const std::vector<int64_t>& shape,
                             const Width& width) {
  const auto &codes = stored.at(width.suffix), &scales = stored.at("scales");
  const bool is_matrix = shape.size() >= 2 && shape.back() > 0;
  if (!is_matrix) stored.refuse("expected a tensor of at least two dimensions");
  const auto columns = static_cast<uint64_t>(shape.back());
  if (codes.dtype != width.dtype || codes.shape != with_last(shape, width.row_bytes(columns)) ||
      scales.dtype != DType::F32 ||
      scales.shape != with_last(shape, num_groups(columns, stored.setting("group"))))
    stored.refuse(str("expected '", width.suffix, "' and 'scales' in groups of ", stored.setting("group"),
                      " to fit a row of ", columns, " values"));
  return shape;
}

}  // namespace

std::unique_ptr<DeltaEncoder> encode_int8(const DeltaInput& input, const DeltaSettings& settings) {
  return encode(input, settings, kEight);
}

std::unique_ptr<DeltaEncoder> encode_int4(const DeltaInput& input, const DeltaSettings& settings) {
  return encode(input, settings, kFour);
}

std::vector<int64_t> shape_of_int8(const StoredDelta& stored) {
  return checked(stored, stored.at("int8").shape, kEight);
}

std::vector<int64_t> shape_of_int4(const StoredDelta& stored) {
  return checked(stored, stored.read_integers("shape"), kFour);
}

std::unique_ptr<DeltaTensor> decode_int8(const StoredDelta& stored, const std::vector<int64_t>& shape) {
  return std::make_unique<Tensor>(stored, shape, kEight);
}

std::unique_ptr<DeltaTensor> decode_int4(const StoredDelta& stored, const std::vector<int64_t>& shape) {
  return std::make_unique<Tensor>(stored, shape, kFour);
}

}  // namespace tongueforge::merge

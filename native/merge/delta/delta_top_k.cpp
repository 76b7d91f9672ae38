#include "merge/delta/delta_top_k.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace tongueforge::merge {
namespace {

/// The order of magnitudes is the order of their bits.
uint32_t magnitude(float value) { return std::bit_cast<uint32_t>(value) & 0x7fffffffu; }

/// Which values are kept: all above a magnitude, and those that equal it before an index.
struct Threshold {
  uint32_t level = 0;
  uint64_t end_of_ties = 0;

  bool keeps(uint64_t index, float value) const {
    const uint32_t bits = magnitude(value);
    return bits > level || (bits == level && index < end_of_ties);
  }
};

constexpr int kLowBits = 15;  // of 31: two passes with histograms of 65,536 and 32,768 counts

/// From the highest count down: the bin in which the k-th value lies. `k` becomes its place in that bin,
/// from 1.
uint32_t bin_of(const std::vector<uint64_t>& counts, uint64_t& k) {
  size_t bin = counts.size() - 1;
  for (; counts[bin] < k; --bin) k -= counts[bin];
  return static_cast<uint32_t>(bin);
}

class Encoder final : public DeltaEncoder {
 public:
  Encoder(const DeltaInput& input, double density)
      : read_(input.read), num_elements_(input.num_elements()), columns_(input.columns()) {
    const double wanted = std::round(density * static_cast<double>(num_elements_));
    num_kept_ = std::clamp<uint64_t>(static_cast<uint64_t>(wanted), 1, std::max<uint64_t>(1, num_elements_));
    if (num_elements_ == 0) num_kept_ = 0;
    row_starts_.assign(input.rows() + 1, 0);
    shape_ = input.shape;
    wide_ = columns_ > 65536;
    const auto k = static_cast<int64_t>(num_kept_);
    parts_ = {{"values", DType::F32, {k}, 4},
              {"columns", wide_ ? DType::U32 : DType::U16, {k}, wide_ ? 4u : 2u},
              {"row_starts", DType::I64, {static_cast<int64_t>(row_starts_.size())}, 8},
              {"shape", DType::I64, {static_cast<int64_t>(shape_.size())}, 8}};
  }

  const std::vector<DeltaPart>& parts() const override { return parts_; }

  void prepare(const Workspace& workspace) override {
    if (num_kept_ == 0) return;
    uint64_t place = num_kept_;
    std::vector<uint64_t> counts(1u << (31 - kLowBits));
    scan(workspace, [&](uint64_t, uint32_t bits) { ++counts[bits >> kLowBits]; });
    const uint32_t high = bin_of(counts, place);
    counts.assign(1u << kLowBits, 0);
    scan(workspace, [&](uint64_t, uint32_t bits) {
      if (bits >> kLowBits == high) ++counts[bits & ((1u << kLowBits) - 1)];
    });
    threshold_.level = (high << kLowBits) | bin_of(counts, place);
    count_rows(workspace, place);
  }

  void produce(size_t part, uint64_t begin, uint64_t end, char* out,
               const Workspace& workspace) const override {
    if (part == 0)
      return for_each_kept(workspace, begin / 4, end / 4, [&](uint64_t, float value) { put(out, value); });
    if (part == 2) return copy(row_starts_.data(), begin, end, out);
    if (part == 3) return copy(shape_.data(), begin, end, out);
    const uint64_t width = wide_ ? 4 : 2;
    for_each_kept(workspace, begin / width, end / width, [&](uint64_t column, float) {
      if (wide_)
        put(out, static_cast<uint32_t>(column));
      else
        put(out, static_cast<uint16_t>(column));
    });
  }

 private:
  template <class T>
  static void put(char*& out, T value) {
    std::memcpy(out, &value, sizeof value);
    out += sizeof value;
  }

  static void copy(const int64_t* from, uint64_t begin, uint64_t end, char* out) {
    std::memcpy(out, reinterpret_cast<const char*>(from) + begin, end - begin);
  }

  template <class Take>
  void scan(const Workspace& workspace, const Take& take) const {
    for_each_stretch(read_, 0, num_elements_, [&](uint64_t first, uint64_t count, const float* values) {
      workspace.check();
      for (uint64_t i = 0; i < count; ++i) take(first + i, magnitude(values[i]));
    });
  }

  /// Where each row's values begin; and where the ties end, of which `num_ties` are kept.
  void count_rows(const Workspace& workspace, uint64_t num_ties) {
    scan(workspace, [&](uint64_t index, uint32_t bits) {
      const bool is_tie = bits == threshold_.level && num_ties > 0;
      if (is_tie && --num_ties == 0) threshold_.end_of_ties = index + 1;
      row_starts_[index / columns_ + 1] += is_tie || bits > threshold_.level;
    });
    for (size_t row = 1; row < row_starts_.size(); ++row) row_starts_[row] += row_starts_[row - 1];
  }

  /// Calls take(column, value) for the kept values [first, end).
  template <class Take>
  void for_each_kept(const Workspace& workspace, uint64_t first, uint64_t end, const Take& take) const {
    if (first == end) return;
    const auto after = std::upper_bound(row_starts_.begin(), row_starts_.end(), static_cast<int64_t>(first));
    const auto row = static_cast<uint64_t>(after - row_starts_.begin()) - 1;
    auto entry = static_cast<uint64_t>(row_starts_[row]);
    for (uint64_t at = row * columns_; entry < end; at += kStretch) {
      workspace.check();
      const uint64_t count = std::min(kStretch, num_elements_ - at);
      std::vector<float> values(count);
      read_(at, count, values.data());
      for (uint64_t i = 0; i < count && entry < end; ++i) {
        if (!threshold_.keeps(at + i, values[i])) continue;
        if (entry++ >= first) take((at + i) % columns_, values[i]);
      }
    }
  }

  static constexpr uint64_t kStretch = uint64_t{1} << 17;

  ReadValues read_;
  uint64_t num_elements_, columns_, num_kept_ = 0;
  bool wide_ = false;
  std::vector<int64_t> row_starts_, shape_;
  Threshold threshold_;
  std::vector<DeltaPart> parts_;
};

class Tensor final : public DeltaTensor {
 public:
  Tensor(const StoredDelta& stored, const std::vector<int64_t>& shape)
      : stored_(stored), values_(stored_.at("values")), columns_info_(stored_.at("columns")) {
    columns_ = shape.empty() ? 1 : static_cast<uint64_t>(shape.back());
    row_starts_ = stored_.read_integers("row_starts");
    const uint64_t rows = columns_ == 0 ? 0 : count_elements(shape) / columns_;
    if (row_starts_.size() != rows + 1 || row_starts_.front() != 0 ||
        row_starts_.back() != static_cast<int64_t>(values_.num_elements()) ||
        !std::is_sorted(row_starts_.begin(), row_starts_.end()))
      stored_.refuse(
          str("expected row_starts of ", rows, " rows to rise from 0 to ", values_.num_elements()));
  }

  void read(uint64_t first, uint64_t count, float* out) const override {
    std::fill(out, out + count, 0.0f);
    if (count == 0) return;
    const uint64_t row = first / columns_, end_row = (first + count - 1) / columns_ + 1;
    // In pieces of bounded size, a row at least.
    for (uint64_t from = row, to; from < end_row; from = to) {
      to = from + 1;
      while (to < end_row && row_starts_[to + 1] - row_starts_[from] <= kEntries) ++to;
      scatter(from, to, first, count, out);
    }
  }

 private:
  void scatter(uint64_t from_row, uint64_t to_row, uint64_t first, uint64_t count, float* out) const {
    const auto begin = static_cast<uint64_t>(row_starts_[from_row]);
    const auto number = static_cast<uint64_t>(row_starts_[to_row]) - begin;
    std::vector<float> values(number);
    stored_.file->read_range(values_, begin * 4, number * 4, values.data());
    const std::vector<uint32_t> columns = read_columns(begin, number);
    for (uint64_t row = from_row; row < to_row; ++row) {
      const auto end = static_cast<uint64_t>(row_starts_[row + 1]) - begin;
      for (auto i = static_cast<uint64_t>(row_starts_[row]) - begin, start = i; i < end; ++i) {
        if (columns[i] >= columns_ || (i > start && columns[i] <= columns[i - 1]))
          stored_.refuse(str("expected columns to rise below ", columns_, " in row ", row));
        const uint64_t at = row * columns_ + columns[i];
        if (at >= first && at < first + count) out[at - first] = values[i];
      }
    }
  }

  std::vector<uint32_t> read_columns(uint64_t begin, uint64_t number) const {
    std::vector<uint32_t> columns(number);
    if (columns_info_.dtype == DType::U32) {
      stored_.file->read_range(columns_info_, begin * 4, number * 4, columns.data());
      return columns;
    }
    std::vector<uint16_t> narrow(number);
    stored_.file->read_range(columns_info_, begin * 2, number * 2, narrow.data());
    std::copy(narrow.begin(), narrow.end(), columns.begin());
    return columns;
  }

  static constexpr int64_t kEntries = int64_t{1} << 20;

  StoredDelta stored_;
  const checkpoint::TensorInfo &values_, &columns_info_;
  uint64_t columns_ = 1;
  std::vector<int64_t> row_starts_;
};

}  // namespace

std::unique_ptr<DeltaEncoder> encode_top_k(const DeltaInput& input, const DeltaSettings& settings) {
  return std::make_unique<Encoder>(input, settings.density);
}

std::vector<int64_t> shape_of_top_k(const StoredDelta& stored) {
  const auto &values = stored.at("values"), &columns = stored.at("columns");
  const std::vector<int64_t> shape = stored.read_integers("shape");
  uint64_t bytes = 0;
  const bool possible = std::all_of(shape.begin(), shape.end(), [](int64_t size) { return size >= 0; }) &&
                        !checkpoint::size_of_tensor(DType::F32, shape, bytes);
  if (!possible) stored.refuse("expected a shape that a tensor can have");
  const bool wide = !shape.empty() && shape.back() > 65536;
  if (values.dtype != DType::F32 || columns.dtype != (wide ? DType::U32 : DType::U16) ||
      values.shape.size() != 1 || columns.shape != values.shape || values.num_elements() > bytes / 4)
    stored.refuse(str("expected as many F32 values as ", wide ? "U32" : "U16", " columns, received ",
                      dtype_name(values.dtype), " and ", dtype_name(columns.dtype)));
  return shape;
}

std::unique_ptr<DeltaTensor> decode_top_k(const StoredDelta& stored, const std::vector<int64_t>& shape) {
  return std::make_unique<Tensor>(stored, shape);
}

}  // namespace tongueforge::merge

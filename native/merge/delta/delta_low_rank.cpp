#include "merge/delta/delta_low_rank.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <numeric>

#include "merge/delta/delta_dense.h"
#include "merge/low_rank_kernel.h"

namespace tongueforge::merge {
namespace {

constexpr uint64_t kBlockElements = uint64_t{1} << 21;  // 8 MB of float32

/// A matrix read in blocks that span its smaller side: of whole rows, or of columns where it is wider than
/// high.
class Blocks {
 public:
  explicit Blocks(const DeltaInput& input)
      : read_(input.read), rows_(input.rows()), columns_(input.columns()), wide_(columns_ > rows_) {}

  bool wide() const { return wide_; }
  uint64_t small_side() const { return std::min(rows_, columns_); }
  uint64_t large_side() const { return std::max(rows_, columns_); }

  /// Calls take(first, block, columns of the block) along the larger side.
  template <class Take>
  void for_each(const Workspace& workspace, const Take& take) const {
    const uint64_t step = std::max<uint64_t>(1, kBlockElements / small_side());
    std::vector<float> block(std::min(step, large_side()) * small_side());
    for (uint64_t first = 0; first < large_side(); first += step) {
      workspace.check();
      const uint64_t count = std::min(step, large_side() - first);
      if (wide_) {
        for (uint64_t row = 0; row < rows_; ++row) read_(row * columns_ + first, count, &block[row * count]);
      } else {
        read_(first * columns_, count * columns_, block.data());
      }
      take(first, std::span(block).first(count * small_side()), wide_ ? count : columns_);
    }
  }

 private:
  ReadValues read_;
  uint64_t rows_, columns_;
  bool wide_;
};

/// Squares of the singular values, largest first, and the singular vectors of the smaller side as rows.
struct Spectrum {
  std::vector<double> energies, vectors;
};

Spectrum spectrum_of(const Blocks& blocks, const LowRankAlgebra& algebra, const Workspace& workspace) {
  const uint64_t n = blocks.small_side();
  Spectrum spectrum{{}, std::vector<double>(n * n)};
  blocks.for_each(workspace, [&](uint64_t, std::span<const float> block, uint64_t columns) {
    algebra.add_gram(block, columns, blocks.wide(), spectrum.vectors.data());
  });
  workspace.check();
  spectrum.energies = algebra.eigen(spectrum.vectors.data(), n);
  return spectrum;
}

bool is_smaller(const DeltaInput& input, uint64_t rank) {
  return rank > 0 && input.shape.size() == 2 && input.is_matrix() &&
         rank * (input.rows() + input.columns()) < input.rows() * input.columns();
}

class Encoder final : public DeltaEncoder {
 public:
  Encoder(const DeltaInput& input, const DeltaSettings& settings)
      : blocks_(input), settings_(settings), rank_(settings.rank) {
    const auto rows = static_cast<int64_t>(input.rows()), columns = static_cast<int64_t>(input.columns());
    const auto rank = static_cast<int64_t>(rank_);
    const auto width = static_cast<uint64_t>(dtype_bits(settings.factor_dtype)) / 8;
    parts_ = {{"left", settings.factor_dtype, {rows, rank}, width},
              {"right", settings.factor_dtype, {rank, columns}, width}};
  }

  const std::vector<DeltaPart>& parts() const override { return parts_; }

  void prepare(const Workspace& workspace) override {
    const Spectrum spectrum = spectrum_of(blocks_, settings_.algebra, workspace);
    const double* const basis = spectrum.vectors.data();  // (rank, smaller side): its first rows
    const uint64_t small = blocks_.small_side();
    std::vector<float> along_small(rank_ * small), along_large(rank_ * blocks_.large_side());
    blocks_.for_each(workspace, [&](uint64_t first, std::span<const float> block, uint64_t columns) {
      std::vector<float> part(rank_ * (block.size() / small));
      settings_.algebra.project(block, columns, blocks_.wide(), basis, rank_, part.data());
      place(part, first, along_large);
    });
    // A wide matrix has its basis on the left, turned: (rows, rank).
    for (uint64_t r = 0; r < rank_; ++r)
      for (uint64_t i = 0; i < small; ++i)
        along_small[blocks_.wide() ? i * rank_ + r : r * small + i] =
            static_cast<float>(basis[r * small + i]);
    left_ = narrowed(blocks_.wide() ? along_small : along_large);
    right_ = narrowed(blocks_.wide() ? along_large : along_small);
  }

  /// The Gram matrix, its eigenvectors, what finds them; the factors twice.
  uint64_t memory() const override {
    const uint64_t n = blocks_.small_side();
    return 4 * n * n * 8 + 2 * rank_ * (n + blocks_.large_side()) * 4;
  }

  void release() override { left_ = {}, right_ = {}; }

  void produce(size_t part, uint64_t begin, uint64_t end, char* out, const Workspace&) const override {
    std::memcpy(out, (part == 0 ? left_ : right_).data() + begin, end - begin);
  }

 private:
  /// Part of the factor along the larger side: rows of the left one, or columns of the right one.
  void place(const std::vector<float>& part, uint64_t first, std::vector<float>& factor) const {
    if (!blocks_.wide()) return std::copy_n(part.begin(), part.size(), &factor[first * rank_]), void();
    const uint64_t count = part.size() / rank_;
    for (uint64_t r = 0; r < rank_; ++r)
      std::copy_n(&part[r * count], count, &factor[r * blocks_.large_side() + first]);
  }

  std::vector<char> narrowed(const std::vector<float>& values) const {
    std::vector<char> bytes(values.size() * static_cast<size_t>(dtype_bits(settings_.factor_dtype)) / 8);
    convert_floats(DType::F32, values.data(), settings_.factor_dtype, bytes.data(), values.size());
    return bytes;
  }

  Blocks blocks_;
  DeltaSettings settings_;
  uint64_t rank_;
  std::vector<char> left_, right_;
  std::vector<DeltaPart> parts_;
};

class Tensor final : public DeltaTensor {
 public:
  explicit Tensor(const StoredDelta& stored)
      : file_(*stored.file),
        left_(stored.at("left")),
        rank_(static_cast<uint64_t>(left_.shape[1])),
        columns_(static_cast<uint64_t>(stored.at("right").shape[1])) {
    const auto right = read_floats(stored.at("right"), 0, rank_ * columns_);
    right_.assign(right.begin(), right.end());
  }

  void read(uint64_t first, uint64_t count, float* out) const override {
    if (count == 0) return;
    const uint64_t row = first / columns_, end_row = (first + count - 1) / columns_ + 1;
    const auto left = read_floats(left_, row * rank_, (end_row - row) * rank_);
    const std::vector<double> rows(left.begin(), left.end());
    std::vector<float> values(columns_);
    for (uint64_t r = row; r < end_row; ++r) {
      low_rank_row(std::span(rows).subspan((r - row) * rank_, rank_), right_, values);
      const uint64_t begin = std::max(first, r * columns_), end = std::min(first + count, (r + 1) * columns_);
      std::copy(&values[begin - r * columns_], &values[0] + (end - r * columns_), out + (begin - first));
    }
  }

 private:
  std::vector<float> read_floats(const checkpoint::TensorInfo& info, uint64_t first, uint64_t count) const {
    const auto width = static_cast<uint64_t>(dtype_bits(info.dtype)) / 8;
    std::vector<char> bytes(count * width);
    file_.read_range(info, first * width, bytes.size(), bytes.data());
    std::vector<float> values(count);
    convert_floats(info.dtype, bytes.data(), DType::F32, values.data(), count);
    return values;
  }

  const checkpoint::SafetensorsFile& file_;
  const checkpoint::TensorInfo& left_;
  uint64_t rank_, columns_;
  std::vector<double> right_;
};

}  // namespace

std::unique_ptr<DeltaEncoder> encode_low_rank(const DeltaInput& input, const DeltaSettings& settings) {
  if (!is_smaller(input, settings.rank)) return encode_dense(input, settings);
  return std::make_unique<Encoder>(input, settings);
}

void settle_low_rank(const DeltaInput& input, DeltaSettings& settings, const Workspace& workspace) {
  if (settings.energy <= 0 || !is_smaller(input, 1)) return;
  const auto energies = spectrum_of(Blocks(input), settings.algebra, workspace).energies;
  const double wanted = settings.energy * std::accumulate(energies.begin(), energies.end(), 0.0);
  double kept = 0;
  for (settings.rank = 0; settings.rank < energies.size() && (settings.rank == 0 || kept < wanted);)
    kept += energies[settings.rank++];
}

std::vector<int64_t> shape_of_low_rank(const StoredDelta& stored) {
  const auto &left = stored.at("left"), &right = stored.at("right");
  const bool floats = left.dtype == right.dtype && (left.dtype == DType::F32 || left.dtype == DType::BF16);
  if (!floats || left.shape.size() != 2 || right.shape.size() != 2 || left.shape[1] != right.shape[0] ||
      left.num_elements() == 0 || right.num_elements() == 0)
    stored.refuse("expected left (rows, rank) and right (rank, columns) of F32 or BF16");
  return {left.shape[0], right.shape[1]};
}

std::unique_ptr<DeltaTensor> decode_low_rank(const StoredDelta& stored, const std::vector<int64_t>&) {
  return std::make_unique<Tensor>(stored);
}

}  // namespace tongueforge::merge

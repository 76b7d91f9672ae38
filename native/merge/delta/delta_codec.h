// How one tensor of a difference between two models lies in a file. A codec is a file beside this one with an
// encoder, a decoder, and a row in delta_codecs.cpp; docs/file_formats.md has what they write.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/safetensors.h"
#include "core/dtype.h"
#include "merge/source.h"
#include "merge/stream/piece.h"

namespace tongueforge::merge {

/// What the low-rank codec asks of a library of linear algebra, which this folder does not see. Row-major.
struct LowRankAlgebra {
  /// gram += block^T block (columns, columns), or block block^T (rows, rows) where `transposed`.
  std::function<void(std::span<const float> block, uint64_t columns, bool transposed, double* gram)> add_gram;
  /// Eigenvalues of a symmetric (n,n), largest first; the matrix becomes the eigenvectors, one a row.
  std::function<std::vector<double>(double* matrix, uint64_t n)> eigen;
  /// block basis^T (rows, rank) with basis (rank, columns); or basis block (rank, columns) with basis
  /// (rank, rows) where `transposed`. In double, rounded once.
  std::function<void(std::span<const float> block, uint64_t columns, bool transposed, const double* basis,
                     uint64_t rank, float* out)>
      project;
};

struct DeltaSettings {
  std::string codec = "dense";
  double density = 0.1;  // topk: share of the values that is kept
  uint64_t rank = 64;    // lowrank: at most
  double energy =
      0;  // lowrank: share of the sum of squares that each matrix keeps at least; 0: `rank` decides
  DType factor_dtype = DType::F32;  // lowrank: F32 or BF16
  uint64_t group = 64;              // int8, int4: values that share a scale
  LowRankAlgebra algebra;           // lowrank
};

/// A tensor of the model, and where the difference in it is read.
struct DeltaInput {
  std::string name;
  std::vector<int64_t> shape;
  ReadValues read;

  uint64_t columns() const { return shape.empty() ? 1 : static_cast<uint64_t>(shape.back()); }
  uint64_t num_elements() const;
  uint64_t rows() const { return columns() == 0 ? 0 : num_elements() / columns(); }
  /// What has rows and columns: norms and biases have not, and are stored as they are by most codecs.
  bool is_matrix() const { return shape.size() >= 2 && num_elements() > 0; }
};

/// A tensor of the delta file, which belongs to one of the model: "NAME" or "NAME:suffix".
struct DeltaPart {
  std::string suffix;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  uint64_t granule = 1;  // bytes: stretches that are produced begin and end at multiples of it

  uint64_t num_bytes() const;
};

/// One tensor on its way into the file. What it writes is the same however it is cut.
class DeltaEncoder {
 public:
  virtual ~DeltaEncoder() = default;
  virtual const std::vector<DeltaPart>& parts() const = 0;
  /// Finds out what has to be known before the first byte: a threshold, a basis. Called once.
  /// @throws Cancelled
  virtual void prepare(const Workspace&) {}
  /// Memory that prepare() takes, in bytes.
  virtual uint64_t memory() const { return 0; }
  /// Bytes [begin, end) of a part, after prepare(). Called from several threads. @throws Cancelled
  virtual void produce(size_t part, uint64_t begin, uint64_t end, char* out,
                       const Workspace& workspace) const = 0;
  /// Everything has been produced: what prepare() has made may go.
  virtual void release() {}
};

/// One tensor of a delta file, opened for reading.
class DeltaTensor {
 public:
  virtual ~DeltaTensor() = default;
  /// Values [first, first + count) as float32. Called from several threads.
  /// @throws ERR_DELTA for content that no encoder writes, ERR_IO
  virtual void read(uint64_t first, uint64_t count, float* out) const = 0;
};

/// The parts of one tensor as the header of a delta file has them.
struct StoredDelta {
  const checkpoint::SafetensorsFile* file = nullptr;
  std::string name;
  std::vector<std::pair<std::string, const checkpoint::TensorInfo*>> parts;  // by suffix, sorted

  const checkpoint::TensorInfo& at(std::string_view suffix) const;
  /// A whole number above zero among the file's metadata. @throws ERR_DELTA
  uint64_t setting(std::string_view key) const;
  /// A part of small whole numbers, such as a shape. @throws ERR_DELTA unless it is I64 with one dimension
  std::vector<int64_t> read_integers(std::string_view suffix) const;
  /// Throws ERR_DELTA that names file and tensor.
  [[noreturn]] void refuse(const std::string& problem) const;
};

struct DeltaCodec {
  const char* name;                   // "topk"
  std::vector<const char*> suffixes;  // of the parts of a tensor, sorted: what tells the codecs apart
  std::unique_ptr<DeltaEncoder> (*encode)(const DeltaInput& input, const DeltaSettings& settings);
  /// Settles for one tensor what depends on its values; null: nothing does.
  void (*settle)(const DeltaInput& input, DeltaSettings& settings, const Workspace& workspace);
  /// The tensor's shape. @throws ERR_DELTA where the parts do not fit each other
  std::vector<int64_t> (*shape)(const StoredDelta& stored);
  std::unique_ptr<DeltaTensor> (*decode)(const StoredDelta& stored, const std::vector<int64_t>& shape);
};

/// All of them. The first, dense, is also what the others leave vectors to.
const std::vector<DeltaCodec>& delta_codecs();

/// By name. @throws ERR_USAGE naming those there are
const DeltaCodec& delta_codec(std::string_view name);

/// Elements of a shape. @throws ERR_INTERNAL where they do not fit 64 bits
uint64_t count_elements(const std::vector<int64_t>& shape);

/// Calls take(first, count, values) for stretch after stretch of [first, end).
template <class Take>
void for_each_stretch(const ReadValues& read, uint64_t first, uint64_t end, const Take& take) {
  constexpr uint64_t kStretch = uint64_t{1} << 17;  // half a megabyte
  std::vector<float> values(std::min(kStretch, end - first));
  for (uint64_t at = first; at < end; at += kStretch) {
    const uint64_t count = std::min(kStretch, end - at);
    read(at, count, values.data());
    take(at, count, values.data());
  }
}

}  // namespace tongueforge::merge

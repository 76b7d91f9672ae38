// What an output model is made of: pieces, one a tensor, each able to produce any part of itself from the
// inputs. Whoever writes a Piece gets streaming, resume, verification, progress and cancellation from the
// engine (merge/stream/stream.h).
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/job.h"
#include "merge/graft/graft_kernel.h"
#include "merge/low_rank_kernel.h"

namespace tongueforge::merge {

/// What production counts on the way; kept in the journal byte by byte, so that a resumed run reports the
/// same.
struct PieceSums {
  GraftSums graft;
  RoundingSums rounding;
  uint64_t bytes_read = 0;

  void add(const PieceSums& other);
};

/// The memory of one thread, kept from chunk to chunk.
class Workspace {
 public:
  explicit Workspace(const Job& job) : job_(job) {}

  /// To be asked at least every few milliseconds of work. @throws Cancelled
  void check() const { job_.check(); }

  /// At least `num_bytes` bytes, aligned to 64; buffers of other slots are other memory. What a buffer holds
  /// is lost when it is asked for again with more.
  char* buffer(size_t slot, size_t num_bytes);
  float* floats(size_t slot, size_t count) {
    return reinterpret_cast<float*>(buffer(slot, count * sizeof(float)));
  }

  /// Gives back the largest buffers, until the others have no more than `max_bytes` together.
  void shrink(size_t max_bytes);

 private:
  struct Freed {
    void operator()(char* memory) const;
  };
  struct Buffer {
    std::unique_ptr<char, Freed> memory;
    size_t size = 0;
  };
  const Job& job_;
  std::vector<Buffer> buffers_;
};

/// One tensor of the output. After prepare() everything is const: chunks are produced on several threads.
class Piece {
 public:
  Piece() = default;
  Piece(const Piece&) = delete;
  virtual ~Piece() = default;

  /// Of the output tensor.
  virtual uint64_t num_bytes() const = 0;
  /// Chunks begin at multiples of this many bytes: those of an element, of a row, or num_bytes() for a tensor
  /// that is made as a whole. At least 1.
  virtual uint64_t granule() const = 0;
  /// Bytes that produce() needs in its workspace for a chunk of `chunk_bytes`; large ones wait for each
  /// other.
  virtual uint64_t workspace_bytes(uint64_t chunk_bytes) const = 0;
  /// What must be known before the first chunk, such as a threshold over the whole tensor. Called once.
  virtual void prepare(Workspace&, PieceSums&) {}
  /// Bytes [begin, end) of the output tensor to `out`, aligned to 64. The same arguments give the same bytes
  /// and sums.
  virtual void produce(uint64_t begin, uint64_t end, char* out, Workspace& workspace,
                       PieceSums& sums) const = 0;
};

}  // namespace tongueforge::merge

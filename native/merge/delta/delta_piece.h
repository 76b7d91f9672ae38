// A part of a delta file as a piece of the stream engine.
#pragma once
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "merge/delta/delta_codec.h"
#include "merge/source.h"
#include "merge/stream/piece.h"

namespace tongueforge::merge {

/// What the parts of one tensor share: prepared by whoever comes first, freed with the last byte.
class SharedEncoder {
 public:
  explicit SharedEncoder(std::unique_ptr<DeltaEncoder> encoder) : encoder_(std::move(encoder)) {
    for (const DeltaPart& part : encoder_->parts()) bytes_left_ += part.num_bytes();
  }

  const DeltaEncoder& operator*() const { return *encoder_; }

  void prepare(const Workspace& workspace) {
    std::call_once(prepared_, [&] { encoder_->prepare(workspace); });
  }

  void count(uint64_t produced) {
    if ((bytes_left_ -= produced) == 0) encoder_->release();
  }

 private:
  std::unique_ptr<DeltaEncoder> encoder_;
  std::once_flag prepared_;
  std::atomic<uint64_t> bytes_left_ = 0;
};

/// To be produced once: see SharedEncoder.
class EncodedPiece final : public Piece {
 public:
  EncodedPiece(std::shared_ptr<SharedEncoder> encoder, size_t part)
      : encoder_(std::move(encoder)), part_(part) {}

  uint64_t num_bytes() const override { return part().num_bytes(); }
  uint64_t granule() const override { return part().granule; }
  uint64_t workspace_bytes(uint64_t) const override { return (**encoder_).memory(); }
  void prepare(Workspace& workspace, PieceSums&) override { encoder_->prepare(workspace); }
  void produce(uint64_t begin, uint64_t end, char* out, Workspace& workspace, PieceSums&) const override {
    (**encoder_).produce(part_, begin, end, out, workspace);
    encoder_->count(end - begin);
  }

 private:
  const DeltaPart& part() const { return (**encoder_).parts()[part_]; }

  std::shared_ptr<SharedEncoder> encoder_;
  size_t part_;
};

/// A tensor of an input as float32.
class FloatsPiece final : public Piece {
 public:
  explicit FloatsPiece(Source source) : source_(std::move(source)) {}

  uint64_t num_bytes() const override { return source_.num_elements() * 4; }
  uint64_t granule() const override { return 4; }
  uint64_t workspace_bytes(uint64_t chunk_bytes) const override { return chunk_bytes; }
  void produce(uint64_t begin, uint64_t end, char* out, Workspace& workspace,
               PieceSums& sums) const override {
    const uint64_t count = (end - begin) / 4;
    sums.bytes_read +=
        source_.read_floats(begin / 4, count, reinterpret_cast<float*>(out), workspace.buffer(0, count * 4));
  }

 private:
  Source source_;
};

/// Bytes that are there already.
class MemoryPiece final : public Piece {
 public:
  explicit MemoryPiece(std::string bytes) : bytes_(std::move(bytes)) {}

  uint64_t num_bytes() const override { return bytes_.size(); }
  uint64_t granule() const override { return 1; }
  uint64_t workspace_bytes(uint64_t) const override { return 0; }
  void produce(uint64_t begin, uint64_t end, char* out, Workspace&, PieceSums&) const override {
    std::memcpy(out, bytes_.data() + begin, end - begin);
  }

 private:
  std::string bytes_;
};

}  // namespace tongueforge::merge

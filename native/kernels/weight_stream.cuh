// The weights that a warp multiplies, one after the other over all layers, always some of them on their way
// from memory: weights do not depend on what is computed, so that they need not wait where the blocks do.
#pragma once
#include "kernels/cuda/bulk.cuh"
#include "kernels/cuda/common.cuh"
#include "kernels/decode_layers_cuda.h"

namespace tongueforge::kernels::cuda::decode {

constexpr int kLanes = 32;
constexpr int kUnits = 8;  // accesses of a lane in a piece: a piece is 4 KB of a row

enum Phase : int { kQkv, kOut, kGateUp, kDown, kPhases };

/// The products of one phase of a layer: a line is a row of weights, or a row of gate and the same of up.
struct Lines {
  int count, rows_of_line;
  int64_t in;
};

__device__ inline Lines lines_of(const DecodeLayers& p, int layer, int phase) {
  const auto& l = p.layers[layer];
  const int head_dim = static_cast<int>(p.head_dim), hidden = static_cast<int>(p.hidden);
  if (phase == kQkv) return {(l.heads + 2 * l.kv_heads) * head_dim, 1, hidden};
  if (phase == kOut) return {hidden, 1, int64_t{l.heads} * head_dim};
  if (phase == kGateUp) return {l.inner, 2, hidden};
  return {hidden, 1, l.inner};
}

/// The weight that a line is of, and its row there.
struct Place {
  const DecodeWeight* of;
  int64_t row;
};

__device__ inline Place place_of(const DecodeLayers& p, int layer, int phase, int line, int row_of_line) {
  const auto& l = p.layers[layer];
  if (phase == kOut) return {&l.o, line};
  if (phase == kDown) return {&l.down, line};
  if (phase == kGateUp) return {row_of_line == 0 ? &l.gate : &l.up, line};
  const int q = l.heads * static_cast<int>(p.head_dim), k = l.kv_heads * static_cast<int>(p.head_dim);
  if (line < q) return {&l.q, line};
  if (line < q + k) return {&l.k, line - q};
  return {&l.v, line - q - k};
}

/// The first line of a warp, and how far it is to its next: neighbours are read at the same time.
__device__ inline int first_line() { return static_cast<int>(threadIdx.x / kLanes * gridDim.x + blockIdx.x); }
__device__ inline int line_step() { return static_cast<int>(blockDim.x / kLanes * gridDim.x); }

/// Goes through the pieces of one warp, in the order in which it needs them.
template <class T>
class PieceCursor {
 public:
  static constexpr int kPiece = kUnits * kLanes;  // vectors

  __device__ explicit PieceCursor(const DecodeLayers& p) : p_(p) { enter(); }

  __device__ bool is_done() const { return step_ == p_.count * kPhases; }
  __device__ const Packed<T>* piece() const { return row_ + piece_ * kPiece; }
  __device__ uint32_t bytes() const {
    return static_cast<uint32_t>(min(kPiece, vectors_ - piece_ * kPiece)) * uint32_t{sizeof(Packed<T>)};
  }

  __device__ void advance() {
    if (++piece_ * kPiece < vectors_) return;
    piece_ = 0;
    if (++row_of_line_ == lines_.rows_of_line) row_of_line_ = 0, line_ += line_step();
    if (line_ < lines_.count) return point();
    step_++;
    enter();
  }

 private:
  // To the first line of this warp, in the next phase that has one.
  __device__ void enter() {
#pragma unroll 1
    for (; !is_done(); step_++) {
      lines_ = lines_of(p_, step_ / kPhases, step_ % kPhases);
      line_ = first_line();
      if (line_ >= lines_.count) continue;
      vectors_ = static_cast<int>(lines_.in) / kPerAccess<T>;
      return point();
    }
  }

  __device__ void point() {
    const auto place = place_of(p_, step_ / kPhases, step_ % kPhases, line_, row_of_line_);
    row_ = static_cast<const Packed<T>*>(place.of->weight) + place.row * vectors_;
  }

  const DecodeLayers& p_;
  Lines lines_;
  const Packed<T>* row_ = nullptr;
  int step_ = 0, line_ = 0, row_of_line_ = 0, piece_ = 0, vectors_ = 0;
};

/// The pieces of one warp, some of them always on their way into shared memory. (More of them on their way
/// into the L2 cache made all slower on an H100.)
template <class T>
class WeightStream {
 public:
  using V = Packed<T>;
  static constexpr int kPiece = PieceCursor<T>::kPiece;

  /// `room`: stages x kPiece vectors, and as many `arrivals`, of this warp alone.
  __device__ WeightStream(const DecodeLayers& p, V* room, Arrival* arrivals, int stages)
      : room_(room), arrivals_(arrivals), stages_(stages), next_(p) {
    if (lane() == 0)
      for (int i = 0; i < stages; i++) arrivals[i].init();
    __syncwarp();
#pragma unroll 1
    for (int i = 0; i < stages; i++) send(i);
  }

  /// The next piece: vectors lane, lane + 32, ... of it. What lies behind the row is any number.
  __device__ void take(V (&piece)[kUnits]) {
    arrivals_[stage_].wait(parity_);
#pragma unroll
    for (int u = 0; u < kUnits; u++) piece[u] = room_[stage_ * kPiece + u * kLanes + lane()];
    __syncwarp();  // all have read: the place is free
    send(stage_);
    if (++stage_ == stages_) stage_ = 0, parity_ ^= 1;
  }

 private:
  static __device__ int lane() { return static_cast<int>(threadIdx.x) % kLanes; }

  __device__ void send(int stage) {
    if (next_.is_done()) return;
    if (lane() == 0) arrivals_[stage].copy(room_ + stage * kPiece, next_.piece(), next_.bytes());
    next_.advance();
  }

  V* const room_;
  Arrival* const arrivals_;
  const int stages_;
  PieceCursor<T> next_;  // to be sent
  int stage_ = 0;        // to be taken
  uint32_t parity_ = 0;
};

}  // namespace tongueforge::kernels::cuda::decode

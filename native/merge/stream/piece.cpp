#include "merge/stream/piece.h"

#include <algorithm>
#include <new>
#include <numeric>

namespace tongueforge::merge {
namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

void PieceSums::add(const PieceSums& other) {
  graft.delta_squared += other.graft.delta_squared;
  graft.target_squared += other.graft.target_squared;
  graft.num_nonfinite += other.graft.num_nonfinite;
  graft.num_changed += other.graft.num_changed;
  rounding.add(other.rounding);
  bytes_read += other.bytes_read;
}

void Workspace::Freed::operator()(char* memory) const { ::operator delete(memory, kAlignment); }

char* Workspace::buffer(size_t slot, size_t num_bytes) {
  if (slot >= buffers_.size()) buffers_.resize(slot + 1);
  Buffer& buffer = buffers_[slot];
  if (buffer.size < num_bytes) {
    buffer.memory.reset();  // first: two of a large size would be twice the memory
    buffer.size = 0;
    buffer.memory.reset(static_cast<char*>(::operator new(num_bytes, kAlignment)));
    buffer.size = num_bytes;
  }
  return buffer.memory.get();
}

void Workspace::shrink(size_t max_bytes) {
  const auto add = [](size_t sum, const Buffer& buffer) { return sum + buffer.size; };
  size_t kept = std::accumulate(buffers_.begin(), buffers_.end(), size_t{0}, add);
  while (kept > max_bytes) {
    Buffer& largest = *std::max_element(buffers_.begin(), buffers_.end(),
                                        [](const Buffer& a, const Buffer& b) { return a.size < b.size; });
    kept -= largest.size;
    largest = {};
  }
}

}  // namespace tongueforge::merge

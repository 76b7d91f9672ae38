// The elements of a strided view as stretches that lie in one piece.
#pragma once
#include <cstdint>
#include <vector>

#include "checkpoint/pickle_tree.h"

namespace tongueforge::checkpoint {

/// Calls `visit(element, count)` for stretches of `count` elements from `element` of the storage on, in C
/// order. The view has at least one element.
template <class Visit>
void for_each_run(const PickleTensor& tensor, const Visit& visit) {
  uint64_t run = 1;
  size_t outer = tensor.shape.size();  // dimensions before the ones that are in one piece
  for (; outer > 0; --outer) {
    const int64_t size = tensor.shape[outer - 1], stride = tensor.strides[outer - 1];
    if (size != 1 && stride != static_cast<int64_t>(run)) break;
    run *= static_cast<uint64_t>(size);
  }
  std::vector<int64_t> at(outer, 0);
  uint64_t element = tensor.offset;
  for (;;) {
    visit(element, run);
    size_t i = outer;
    for (; i > 0; --i) {
      const uint64_t stride = static_cast<uint64_t>(tensor.strides[i - 1]);
      element += stride;
      if (++at[i - 1] < tensor.shape[i - 1]) break;
      element -= stride * static_cast<uint64_t>(tensor.shape[i - 1]);
      at[i - 1] = 0;
    }
    if (i == 0) return;
  }
}

/// Elements of the storage from the view's first to its last, both included; of a view with at least one
/// element.
inline uint64_t span_of(const PickleTensor& tensor) {
  uint64_t last = 0;
  for (size_t i = 0; i < tensor.shape.size(); ++i)
    last += static_cast<uint64_t>(tensor.shape[i] - 1) * static_cast<uint64_t>(tensor.strides[i]);
  return last + 1;
}

}  // namespace tongueforge::checkpoint

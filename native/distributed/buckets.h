// Tensors laid end to end in a few flat ones, so that what is said of all of them to other processes is said
// in few words.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tongueforge::distributed {

/// A part of a tensor, of its elements in their order.
struct Slice {
  size_t place = 0;  // in the list of all tensors
  int64_t begin = 0, end = 0;

  /// These elements of a contiguous tensor.
  at::Tensor of(const at::Tensor& tensor) const;
};

struct Bucket {
  at::Tensor flat;             // (E), float32: a whole number of pieces
  std::vector<size_t> places;  // of the tensors in it, in their order
  int64_t piece = 0;           // elements of the share of one process
};

class Buckets {
 public:
  /// For tensors of these sizes and on this device, the last one first, as their gradients come; a bucket
  /// holds at most so many bytes, or one tensor. Shared among `processes`.
  Buckets(const std::vector<at::Tensor>& like, int64_t max_bytes, int processes);

  const std::vector<Bucket>& all() const { return all_; }
  /// Each tensor's place in them, in its shape.
  const std::vector<at::Tensor>& views() const { return views_; }
  size_t bucket_of(size_t place) const { return bucket_of_[place]; }

  /// What of the tensors in a bucket lies in the share of a process.
  std::vector<Slice> slices(size_t bucket, int rank) const;

  int64_t bytes() const;

 private:
  void close(std::vector<size_t> places, int64_t elements, int processes,
             const std::vector<at::Tensor>& like);

  std::vector<Bucket> all_;
  std::vector<at::Tensor> views_;
  std::vector<size_t> bucket_of_;
  std::vector<int64_t> begin_;  // of each tensor in its bucket
};

}  // namespace tongueforge::distributed

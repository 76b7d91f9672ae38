// Which pages of a pool are free, and how many hold on to each of the others. Numbers only: what stands in a
// page is kernels/paged_attention.h's.
#pragma once
#include <cstdint>
#include <vector>

namespace tongueforge::serve {

class Pages {
 public:
  explicit Pages(int64_t count);

  int64_t count() const { return static_cast<int64_t>(references_.size()); }
  int64_t free() const { return static_cast<int64_t>(free_.size()); }
  int64_t references(int32_t page) const { return references_[static_cast<size_t>(page)]; }

  /// Appends so many free pages to a list, with one reference each; no more than there are.
  void take(int64_t count, std::vector<int32_t>& into);
  void share(int32_t page) { references_[static_cast<size_t>(page)]++; }
  /// Gives a reference back; a page without one is free.
  void release(int32_t page);

 private:
  std::vector<int32_t> references_;  // of each page
  std::vector<int32_t> free_;        // the next to be taken at the end
};

}  // namespace tongueforge::serve

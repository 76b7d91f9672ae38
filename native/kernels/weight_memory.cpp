#include "kernels/weight_memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

#include "core/live_memory.h"
#include "kernels/aten.h"

namespace tongueforge::kernels {
namespace {

constexpr size_t kLargePage = size_t{2} << 20;

// Asked before the first touch, which is when the system chooses. The rest behind the last whole page stays
// on plain ones.
void* with_large_pages(size_t bytes) {
  void* memory = nullptr;
  if (::posix_memalign(&memory, kLargePage, bytes) != 0) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
  ::madvise(memory, bytes / kLargePage * kLargePage, MADV_HUGEPAGE);  // a wish: refused, all is as before
#endif
  count_taken(memory);
  return memory;
}

void give_back(void* memory) {
  count_freed(memory);
  std::free(memory);
}

}  // namespace

at::Tensor empty_weight(at::IntArrayRef sizes, at::ScalarType dtype) {
  const auto bytes = static_cast<size_t>(c10::multiply_integers(sizes)) * c10::elementSize(dtype);
  if (bytes < kLargePage) return at::empty(sizes, dtype);
  return at::from_blob(with_large_pages(bytes), sizes, &give_back, dtype);
}

}  // namespace tongueforge::kernels

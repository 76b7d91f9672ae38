#include "serve/pages.h"

#include "core/error.h"

namespace tongueforge::serve {

Pages::Pages(int64_t count) : references_(static_cast<size_t>(count)) {
  for (int64_t page = count - 1; page >= 0; page--) free_.push_back(static_cast<int32_t>(page));
}

void Pages::take(int64_t count, std::vector<int32_t>& into) {
  if (count > free()) throw Error("ERR_INTERNAL", "More pages were taken than are free");
  for (; count > 0; count--) {
    into.push_back(free_.back());
    references_[static_cast<size_t>(free_.back())] = 1;
    free_.pop_back();
  }
}

void Pages::release(int32_t page) {
  auto& references = references_[static_cast<size_t>(page)];
  if (references == 0) throw Error("ERR_INTERNAL", "A page was released that nobody holds");
  if (--references == 0) free_.push_back(page);
}

}  // namespace tongueforge::serve

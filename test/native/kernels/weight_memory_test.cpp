#include "kernels/weight_memory.h"

#include "doctest.h"
#include "kernels/aten.h"

using namespace tongueforge;

TEST_CASE(
    "memory for weights begins on a large page where it is as large as one, and is a tensor like any other") {
  constexpr int64_t kPage = int64_t{2} << 20;
  const std::vector<int64_t> all[] = {{0, 7}, {3, 5}, {1024, 1024}, {2048, 511}};
  for (const auto& sizes : all)
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      auto weight = kernels::empty_weight(sizes, dtype);
      CHECK(weight.sizes() == sizes);
      CHECK((weight.scalar_type() == dtype));
      CHECK(weight.is_contiguous());
      const auto bytes = static_cast<int64_t>(weight.nbytes());
      const auto place = reinterpret_cast<uintptr_t>(weight.const_data_ptr());
      CHECK((bytes < kPage || place % kPage == 0));
      weight.fill_(3);
      const auto view = weight.flatten();  // outlives the weight
      weight.reset();
      CHECK(view.eq(3).all().item<bool>());
    }
}

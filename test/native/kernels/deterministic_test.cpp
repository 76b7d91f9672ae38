#include "kernels/deterministic.h"

#include "doctest.h"
#include "kernels/aten.h"

using namespace tongueforge;

TEST_CASE("operators are deterministic while anybody asks for it, and no longer") {
  const auto is_on = [] { return at::globalContext().deterministicAlgorithms(); };
  REQUIRE_FALSE(is_on());
  {
    const kernels::DeterministicScope no(false);
    CHECK_FALSE(is_on());
    auto first = std::make_unique<kernels::DeterministicScope>(true);
    const auto second = std::make_unique<kernels::DeterministicScope>(true);
    CHECK(is_on());
    first.reset();
    CHECK(is_on());
  }
  CHECK_FALSE(is_on());
}

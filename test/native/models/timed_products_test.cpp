#include "models/timed_products.h"

#include <chrono>
#include <string>
#include <thread>

#include "doctest.h"

using namespace tongueforge;

namespace {

struct CancelledJob final : Job {
  bool cancelled() const override { return true; }
  void progress(Value) override {}
  void emit(Value) override {}
};

void rest(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

}  // namespace

TEST_CASE("layers are timed in passes over all of them, each by its own least time") {
  std::string order;
  const auto times = models::time_in_passes({{[&] { order += 'a', rest(3); }, [&] { order += 'A'; }},
                                             {[&] { order += 'b'; }, [&] { order += 'B', rest(3); }}},
                                            SilentJob());
  REQUIRE(times.size() == 2);
  CHECK(times[0].dense >= 3e-3);
  CHECK(times[1].other >= 3e-3);
  CHECK(models::pays(times[0]));
  CHECK_FALSE(models::pays(times[1]));
  REQUIRE(order.size() >= 20);
  CHECK(order.size() % 4 == 0);
  for (size_t i = 0; i < order.size(); i++) CHECK(order[i] == "abAB"[i % 4]);
}

TEST_CASE("timing of no layers ends, and a cancelled job ends it") {
  CHECK(models::time_in_passes({}, SilentJob()).empty());
  int runs = 0;
  CHECK_THROWS_AS(models::time_in_passes({{[&] { runs++; }, [&] { runs++; }}}, CancelledJob()), Cancelled);
  CHECK(runs == 0);
}

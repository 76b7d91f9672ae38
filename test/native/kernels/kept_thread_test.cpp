#include "kernels/kept_thread.h"

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "kernels/aten.h"

#include "doctest.h"

using namespace tongueforge::kernels;

TEST_CASE("what is done on the kept thread is done on one thread, whoever asks, and records no gradients") {
  std::vector<std::thread::id> places(4);
  std::vector<std::thread> callers;
  std::atomic<int> at_once = 0, most = 0;
  for (auto& place : places)
    callers.emplace_back([&] {
      on_kept_thread([&] {
        most = std::max<int>(most, ++at_once);
        place = std::this_thread::get_id();
        CHECK_FALSE(at::GradMode::is_enabled());
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        at_once--;
      });
    });
  for (auto& caller : callers) caller.join();
  CHECK(most == 1);
  for (const auto& place : places) CHECK(place == places[0]);
  CHECK(places[0] != std::this_thread::get_id());
}

TEST_CASE("what work on the kept thread throws, the caller gets, and the next work is done") {
  CHECK_THROWS_WITH_AS(on_kept_thread([] { throw std::out_of_range("too far"); }), "too far",
                       std::out_of_range);
  bool done = false;
  on_kept_thread([&] { done = true; });
  CHECK(done);
}

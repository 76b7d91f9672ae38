// Who hears of the engine's answers: one that is slow, one that posts now and then, one that has no memory.
#include <chrono>
#include <new>
#include <thread>
#include <utility>

#include "doctest.h"
#include "fixtures.h"

using namespace tongueforge;
using serve::Engine;
using serve::Reason;
using test::long_decoder;
using test::Scribe;
using test::with_pages;

TEST_CASE("an end that could not be told, for lack of memory, is told as a failure") {
  struct Deaf final : serve::Audience {
    void hear(const std::vector<serve::Token>&, const std::vector<serve::End>& ends) override {
      if (!ends.empty() && failures-- > 0) throw std::bad_alloc();
      told.insert(told.end(), ends.begin(), ends.end());
    }
    int failures = 1;
    std::vector<serve::End> told;
  } audience;
  const auto model = long_decoder();
  Engine engine(model, with_pages(*model, 7));
  engine.submit({.prompt = {1, 2}, .max_new_tokens = 2});
  const int64_t longer = engine.submit({.prompt = {3, 4}, .max_new_tokens = 9});
  engine.run(audience, SilentJob());
  REQUIRE(audience.told.size() == 2);
  for (const auto& end : audience.told) {
    CHECK(end.reason == Reason::failed);
    CHECK(end.error->code() == "ERR_OUT_OF_MEMORY");
  }
  CHECK(audience.told.back().request == longer);
  CHECK(engine.stats().waiting + engine.stats().running == 0);
}

TEST_CASE("an engine waits for its readers, and goes on when they have caught up") {
  const auto model = long_decoder();
  auto options = with_pages(*model, 7);
  options.most_unheard = 5;
  Engine engine(model, options);
  Scribe scribe;
  engine.submit({.prompt = {1}, .max_new_tokens = 40});
  std::jthread reader([&] {
    for (int64_t acknowledged = 0; acknowledged < 34;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      const int64_t told = engine.stats().new_tokens;
      CHECK(told <= acknowledged + 6);
      engine.acknowledge(told - acknowledged);
      acknowledged = told;
    }
  });
  engine.run(scribe, SilentJob());
  CHECK(scribe.answers[1].ids.size() == 40);
}

namespace {

/// Hands on what it hears as the thread of a job does: not twice within 20 ms, else with what comes next.
class Posting final : public serve::Audience {
 public:
  explicit Posting(Engine& engine) : engine_(engine) {}

  void hear(const std::vector<serve::Token>& tokens, const std::vector<serve::End>& ends) override {
    unposted_ += static_cast<int64_t>(tokens.size());
    ended += ends.size();
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::milliseconds(20)) return;
    last_ = now;
    engine_.acknowledge(std::exchange(unposted_, 0));
  }
  size_t ended = 0;

 private:
  Engine& engine_;
  int64_t unposted_ = 0;
  std::chrono::steady_clock::time_point last_{};
};

/// Gives up after a while, so that what waits forever fails.
class ImpatientJob final : public Job {
 public:
  bool cancelled() const override { return std::chrono::steady_clock::now() > end_; }
  void progress(Value) override {}
  void emit(Value) override {}

 private:
  std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + std::chrono::seconds(20);
};

}  // namespace

TEST_CASE("an engine that is faster than its events are posted does not wait for what nobody was told") {
  const auto model = long_decoder();
  auto options = with_pages(*model, 7);
  options.most_unheard = 5;
  Engine engine(model, options);
  Posting posting(engine);
  engine.submit({.prompt = {1}, .max_new_tokens = 60});
  CHECK_NOTHROW(engine.run(posting, ImpatientJob()));
  CHECK(posting.ended == 1);
}

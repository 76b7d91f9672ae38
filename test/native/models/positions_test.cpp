#include "models/positions.h"

#include "core/error.h"
#include "doctest.h"

using namespace tongueforge;
using nn::RopeKind;

TEST_CASE(
    "a rope that stretches the trained positions gives a sequence as many, the others those of the config") {
  models::DecoderSpec spec;
  spec.max_positions = 100;
  spec.rope.factor = 4;
  spec.rope.original_max_positions = 100;
  for (const auto& [kind, expected] : {std::pair{RopeKind::standard, 100},
                                       {RopeKind::llama3, 100},
                                       {RopeKind::linear, 400},
                                       {RopeKind::dynamic, 400},
                                       {RopeKind::yarn, 400}}) {
    spec.rope.kind = kind;
    CHECK(models::most_positions(spec) == expected);
  }
  spec.rope.original_max_positions = 20;  // the config tells of more than the stretched ones
  CHECK(models::most_positions(spec) == 100);
}

TEST_CASE("new tokens fit behind a prompt that leaves them room; without positions there is no bound") {
  CHECK(models::room_behind(10, 5, {.positions = 64}) == 5);
  CHECK(models::room_behind(62, 5, {.positions = 64}) == 2);
  CHECK(models::room_behind(1'000'000, 5, {}) == 5);
  const auto error_of = [](int64_t prompt) {
    try {
      models::room_behind(prompt, 0, {64, " in row 2", ", or wait"});
    } catch (const Error& error) { return error.code() + ": " + error.message() + ". " + error.hint(); }
    return std::string("accepted");
  };
  CHECK(
      error_of(64) ==
      "ERR_CONTEXT: Expected a prompt of 1 to 63 tokens, received 64 in row 2. The context has 64 positions: "
      "shorten the prompt, or wait.");
  CHECK(error_of(0) == "ERR_DATA: Expected a prompt of at least one token, received none in row 2. ");
}

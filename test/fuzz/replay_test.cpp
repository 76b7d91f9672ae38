// Every committed input through every target's parser, in the ordinary build: what fuzzing once found stays
// found.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "bytes.h"
#include "doctest.h"
#include "targets.h"

namespace tongueforge::fuzz {
namespace {

std::vector<std::filesystem::path> inputs_of(const Target& target) {
  std::vector<std::filesystem::path> all;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(TONGUEFORGE_FUZZ_CORPUS) / target.name))
    all.push_back(entry.path());
  std::sort(all.begin(), all.end());
  return all;
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_CASE("the committed inputs of every fuzz target are read or refused, and every law holds") {
  for (const Target* target : kTargets) {
    const std::string name = target->name;
    CAPTURE(name);
    size_t accepted = 0;
    const auto inputs = inputs_of(*target);
    for (const auto& path : inputs) {
      CAPTURE(path.string());
      CHECK_NOTHROW(accepted += target->run(content_of(path)));
    }
    CHECK(accepted > 0);
    CHECK((accepted < inputs.size() || name == "pair_map"));  // which takes any bytes
  }
}

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value ? std::strtoull(value, nullptr, 10) : otherwise;
}

// TONGUEFORGE_FUZZ_INPUTS: how many for each target; TONGUEFORGE_SEED: which.
TEST_CASE("inputs made at random and changed are read or refused, and every law holds") {
  const uint64_t seed = from_environment("TONGUEFORGE_SEED", 20261126);
  const uint64_t inputs = from_environment("TONGUEFORGE_FUZZ_INPUTS", 2000);
  CAPTURE(seed);
  for (const Target* target : kTargets) {
    const std::string name = target->name;
    CAPTURE(name);
    Dice dice(seed);
    const ByteMutator bytes = byte_mutator(dice);
    std::string input = target->fresh(dice);
    for (uint64_t i = 0; i < inputs; i++) {
      CAPTURE(i);
      if (i % 8 == 0)
        input = target->fresh(dice);
      else
        target->mutate(input, dice, bytes);
      if (input.size() > kMaxInput) input.resize(kMaxInput);
      CHECK_NOTHROW(target->run(input));
    }
  }
}

}  // namespace
}  // namespace tongueforge::fuzz

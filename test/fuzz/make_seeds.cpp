// Writes inputs to begin with, every other one changed: `make_seeds TARGET FOLDER COUNT SEED`.
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "bytes.h"
#include "targets.h"

int main(int argc, char** argv) {
  using namespace tongueforge::fuzz;
  for (const Target* target : kTargets) {
    if (argc != 5 || argv[1] != std::string_view(target->name)) continue;
    Dice dice(std::strtoull(argv[4], nullptr, 10));
    const ByteMutator bytes = byte_mutator(dice);
    for (long i = std::atol(argv[3]); i > 0; i--) {
      std::string input = target->fresh(dice);
      if (i % 2 == 0) target->mutate(input, dice, bytes);
      std::ofstream(std::string(argv[2]) + "/seed-" + std::to_string(i), std::ios::binary) << input;
    }
    return 0;
  }
  std::fprintf(stderr, "usage: make_seeds TARGET FOLDER COUNT SEED\n");
  return 2;
}

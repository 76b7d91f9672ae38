// Laws of how ranks are chosen.
#include "compress/ranks.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>

#include "doctest.h"

using namespace tongueforge;
using compress::Spectrum;

namespace {

int64_t parameters(const Spectrum& spectrum, int64_t rank) {
  return rank == 0 ? spectrum.parameters : rank * spectrum.component;
}

int64_t parameters(const std::vector<Spectrum>& spectra, const std::vector<int64_t>& ranks) {
  int64_t sum = 0;
  for (size_t i = 0; i < spectra.size(); i++) sum += parameters(spectra[i], ranks[i]);
  return sum;
}

// 1 less the eighth power of the relative error.
double worth(const Spectrum& spectrum, int64_t rank) {
  if (rank == 0) return 1;
  const auto begin = spectrum.squares.begin();
  return 1 - std::pow(std::reduce(begin + rank, spectrum.squares.end()) /
                          std::reduce(begin, spectrum.squares.end()),
                      4);
}

double worth(const std::vector<Spectrum>& spectra, const std::vector<int64_t>& ranks) {
  double sum = 0;
  for (size_t i = 0; i < spectra.size(); i++) sum += worth(spectra[i], ranks[i]);
  return sum;
}

Spectrum random_spectrum(std::mt19937& random, int64_t largest) {
  std::uniform_int_distribution<int64_t> size(1, largest);
  std::uniform_real_distribution<double> decay(0, 6), noise(0.1, 1);
  const int64_t outputs = size(random), inputs = size(random);
  Spectrum spectrum = {outputs * inputs, outputs + inputs};
  const double falls = decay(random);
  for (int64_t i = 0; i < std::min(outputs, inputs); i++)
    spectrum.squares.push_back(noise(random) * std::exp(-falls * static_cast<double>(i) / 4));
  std::sort(spectrum.squares.rbegin(), spectrum.squares.rend());
  return spectrum;
}

// The most that any ranks keep within a budget, by trying all; below 0 where none fits.
double best_of_all(const std::vector<Spectrum>& spectra, int64_t budget, size_t from = 0) {
  if (budget < 0) return -1e9;
  if (from == spectra.size()) return 0;
  double best = -1e9;
  const auto& spectrum = spectra[from];
  for (int64_t rank = 0; rank <= compress::largest_rank(spectrum, 1); rank++)
    best = std::max(
        best, worth(spectrum, rank) + best_of_all(spectra, budget - parameters(spectrum, rank), from + 1));
  return best;
}

}  // namespace

TEST_CASE("the largest rank saves parameters, and the next would not") {
  for (int64_t outputs = 1; outputs < 40; outputs++)
    for (int64_t inputs = 1; inputs < 40; inputs++) {
      const int64_t rank = compress::largest_rank({outputs * inputs, outputs + inputs}, 1);
      REQUIRE(rank * (outputs + inputs) < outputs * inputs);
      REQUIRE((rank + 1) * (outputs + inputs) >= outputs * inputs);
      REQUIRE(rank < std::min(outputs, inputs));
      REQUIRE(compress::largest_rank({outputs * inputs, outputs + inputs}, 8) == rank / 8 * 8);
    }
  CHECK(compress::largest_rank({3072 * 768, 3072 + 768}, 1) == 614);
}

TEST_CASE("an energy gives the least rank that keeps it, or the matrix where that saves nothing") {
  const Spectrum spectrum = {64, 16, {8, 4, 2, 1, 1, 0, 0, 0}};  // up to rank 3 saves
  CHECK(compress::rank_of_energy(spectrum, 0.5, 1) == 1);
  CHECK(compress::rank_of_energy(spectrum, 0.51, 1) == 2);
  CHECK(compress::rank_of_energy(spectrum, 0.75, 1) == 2);
  CHECK(compress::rank_of_energy(spectrum, 0.75, 3) == 3);
  CHECK(compress::rank_of_energy(spectrum, 14.0 / 16, 1) == 3);
  CHECK(compress::rank_of_energy(spectrum, 0.9, 1) == 0);
  CHECK(compress::rank_of_energy(spectrum, 0.51, 4) == 0);
}

TEST_CASE("a budget is never exceeded, nor left unused where a step would fit") {
  const uint32_t seed = std::random_device{}();
  MESSAGE("seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 300; round++) {
    std::vector<Spectrum> spectra;
    for (int i = 0; i < 5; i++) spectra.push_back(random_spectrum(random, 30));
    const int64_t multiple = 1 + round % 3;
    std::vector<int64_t> least;
    for (const auto& s : spectra) least.push_back(compress::largest_rank(s, multiple) > 0 ? multiple : 0);
    const int64_t smallest = parameters(spectra, least);
    const int64_t all = parameters(spectra, std::vector<int64_t>(5, 0));
    const int64_t budget = smallest + (all - smallest) * (round % 11) / 10;
    const auto ranks = compress::allocate_ranks(spectra, budget, multiple);
    const int64_t spent = parameters(spectra, ranks);
    REQUIRE(spent <= budget);
    for (size_t i = 0; i < ranks.size(); i++) {
      REQUIRE(ranks[i] % multiple == 0);
      if (ranks[i] == 0) continue;
      const bool is_last = ranks[i] == compress::largest_rank(spectra[i], multiple);
      const int64_t next = is_last ? 0 : ranks[i] + multiple;
      const int64_t cost = parameters(spectra[i], next) - parameters(spectra[i], ranks[i]);
      REQUIRE(spent + cost > budget);
    }
  }
}

TEST_CASE("with the whole budget every matrix stays, with none all have the least rank") {
  const std::vector<Spectrum> spectra(4, {600, 50, std::vector<double>(20, 1.0)});
  CHECK(compress::allocate_ranks(spectra, 4 * 600, 1) == std::vector<int64_t>(4, 0));
  CHECK(compress::allocate_ranks(spectra, 0, 2) == std::vector<int64_t>(4, 2));
}

TEST_CASE("no ranks within the budget are worth much more than those given: the most is one step of a hull") {
  const uint32_t seed = std::random_device{}();
  MESSAGE("seed " << seed);
  std::mt19937 random(seed);
  double given = 0, best = 0;
  for (int round = 0; round < 200; round++) {
    std::vector<Spectrum> spectra;
    for (int i = 0; i < 3; i++) spectra.push_back(random_spectrum(random, 12));
    const int64_t all = parameters(spectra, {0, 0, 0});
    const int64_t budget = all * 7 / 10;
    const auto ranks = compress::allocate_ranks(spectra, budget, 1);
    if (parameters(spectra, ranks) > budget) continue;  // less than rank 1 everywhere
    const double mine = worth(spectra, ranks), most = best_of_all(spectra, budget);
    REQUIRE(mine <= most + 1e-12);
    REQUIRE(mine > most - 1);
    given += mine;
    best += most;
  }
  CHECK(given > 0.97 * best);
}

TEST_CASE("a matrix that is factored already gets a smaller rank or stays") {
  const Spectrum factored = {5 * 40, 40, {8, 4, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}};
  CHECK(compress::largest_rank(factored, 1) == 4);
  CHECK(compress::rank_of_energy(factored, 0.9, 1) == 4);
  CHECK(compress::rank_of_energy(factored, 1, 1) == 0);
  CHECK(compress::allocate_ranks(std::vector{factored}, 200, 1) == std::vector<int64_t>{0});
  CHECK(compress::allocate_ranks(std::vector{factored}, 199, 1) == std::vector<int64_t>{4});
}

TEST_CASE("a flat spectrum leaves a matrix whole, a steep one gets few components") {
  const Spectrum flat = {400, 40, std::vector<double>(20, 1.0)};
  Spectrum steep = flat;
  for (size_t i = 0; i < 20; i++) steep.squares[i] = std::pow(0.2, i);
  const auto ranks = compress::allocate_ranks(std::vector{flat, steep}, 600, 1);
  CHECK(ranks[0] == 0);
  CHECK(ranks[1] == 5);
}

// How many components each matrix keeps. At rank R a matrix of (O,I) is two, which hold R (O + I) parameters;
// where that is not less than it holds already it stays as it is, which is written as rank 0.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace tongueforge::compress {

/// A matrix as far as ranks go.
struct Spectrum {
  int64_t parameters = 0;            // as it is: O I, or fewer where it is factored already
  int64_t component = 0;             // parameters of one: O + I
  std::vector<double> squares = {};  // of its min(O,I) singular values, the largest first
};

/// The largest multiple of `multiple_of` at which two factors hold fewer parameters than the matrix; it may
/// be 0.
int64_t largest_rank(const Spectrum& spectrum, int64_t multiple_of);

/// The least rank, a multiple of `multiple_of`, that keeps this share of the sum of the squares; 0 where that
/// saves nothing.
int64_t rank_of_energy(const Spectrum& spectrum, double share, int64_t multiple_of);

/// Ranks for which the sum of the eighth powers of relative errors, sqrt(share of the squares that is
/// dropped), is least within `budget` parameters: a smooth form of the largest error, which is what hurts a
/// model most. Every matrix gets `multiple_of` at least, whatever the budget. The best but for the last few
/// parameters: matrices go along the upper hulls of what ranks cost and gain, always where a parameter gains
/// most.
std::vector<int64_t> allocate_ranks(std::span<const Spectrum> spectra, int64_t budget, int64_t multiple_of);

}  // namespace tongueforge::compress

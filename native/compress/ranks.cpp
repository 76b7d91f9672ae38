#include "compress/ranks.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tongueforge::compress {
namespace {

// One size that a matrix may have: what it costs, and what it is worth: 1 less the eighth power of its error.
struct Choice {
  int64_t rank = 0, parameters = 0;
  double worth = 0;
};

// `dropped`: share of the squares.
double worth(double dropped) { return 1 - std::pow(std::max(dropped, 0.0), 4); }

// All of them, the smallest first; the last is the matrix itself.
std::vector<Choice> choices_of(const Spectrum& spectrum, int64_t multiple_of) {
  const double all = std::reduce(spectrum.squares.begin(), spectrum.squares.end());
  const int64_t largest = largest_rank(spectrum, multiple_of);
  std::vector<Choice> choices;
  double sum = 0;
  for (int64_t rank = 1; rank <= largest; rank++) {
    sum += spectrum.squares[static_cast<size_t>(rank - 1)];
    if (rank % multiple_of == 0)
      choices.push_back({rank, rank * spectrum.component, all > 0 ? worth(1 - sum / all) : 1});
  }
  choices.push_back({0, spectrum.parameters, 1});
  return choices;
}

double gain(const Choice& from, const Choice& to) {
  return (to.worth - from.worth) / static_cast<double>(to.parameters - from.parameters);
}

// The places of those on the upper hull: each step on gains less a parameter than the one before.
std::vector<size_t> hull_of(const std::vector<Choice>& choices) {
  std::vector<size_t> hull;
  for (size_t next = 0; next < choices.size(); next++) {
    while (hull.size() > 1 && gain(choices[hull[hull.size() - 2]], choices[hull.back()]) <=
                                  gain(choices[hull.back()], choices[next]))
      hull.pop_back();
    hull.push_back(next);
  }
  return hull;
}

struct Step {
  size_t matrix, to;  // place of the choice
  double gain;
};

class Allocation {
 public:
  Allocation(std::span<const Spectrum> spectra, int64_t budget, int64_t multiple_of) : left_(budget) {
    for (const auto& spectrum : spectra) choices_.push_back(choices_of(spectrum, multiple_of));
    at_.resize(choices_.size());
    for (const auto& choices : choices_) left_ -= choices[0].parameters;
  }

  // Along the hulls, the best steps first. A step that does not fit ends its matrix.
  void follow_hulls() {
    std::vector<Step> steps;
    for (size_t i = 0; i < choices_.size(); i++) {
      const auto hull = hull_of(choices_[i]);
      for (size_t k = 1; k < hull.size(); k++)
        steps.push_back({i, hull[k], gain(choices_[i][hull[k - 1]], choices_[i][hull[k]])});
    }
    std::stable_sort(steps.begin(), steps.end(),
                     [](const Step& a, const Step& b) { return a.gain > b.gain; });
    std::vector<bool> ended(choices_.size());
    for (const auto& [matrix, to, _] : steps)
      if (!ended[matrix]) ended[matrix] = !take(matrix, to);
  }

  // What is left goes in the smallest steps.
  void fill() {
    for (;;) {
      Step best = {0, 0, -1};
      for (size_t i = 0; i < choices_.size(); i++) {
        const size_t to = at_[i] + 1;
        if (to == choices_[i].size() || cost(i, to) > left_) continue;
        if (const double of = gain(choices_[i][at_[i]], choices_[i][to]); of > best.gain) best = {i, to, of};
      }
      if (best.gain < 0) return;
      take(best.matrix, best.to);
    }
  }

  std::vector<int64_t> ranks() const {
    std::vector<int64_t> all;
    for (size_t i = 0; i < choices_.size(); i++) all.push_back(choices_[i][at_[i]].rank);
    return all;
  }

 private:
  int64_t cost(size_t matrix, size_t to) const {
    return choices_[matrix][to].parameters - choices_[matrix][at_[matrix]].parameters;
  }
  bool take(size_t matrix, size_t to) {
    if (cost(matrix, to) > left_) return false;
    left_ -= cost(matrix, to);
    at_[matrix] = to;
    return true;
  }

  std::vector<std::vector<Choice>> choices_;
  std::vector<size_t> at_;  // the choice of each matrix so far
  int64_t left_;
};

}  // namespace

int64_t largest_rank(const Spectrum& spectrum, int64_t multiple_of) {
  const int64_t rank = (spectrum.parameters - 1) / spectrum.component;
  return rank - rank % multiple_of;
}

int64_t rank_of_energy(const Spectrum& spectrum, double share, int64_t multiple_of) {
  const double wanted = share * std::reduce(spectrum.squares.begin(), spectrum.squares.end());
  const int64_t largest = largest_rank(spectrum, multiple_of);
  double sum = 0;
  for (int64_t rank = 1; rank <= largest; rank++) {
    sum += spectrum.squares[static_cast<size_t>(rank - 1)];
    if (sum >= wanted) return (rank + multiple_of - 1) / multiple_of * multiple_of;
  }
  return 0;
}

std::vector<int64_t> allocate_ranks(std::span<const Spectrum> spectra, int64_t budget, int64_t multiple_of) {
  Allocation allocation(spectra, budget, multiple_of);
  allocation.follow_hulls();
  allocation.fill();
  return allocation.ranks();
}

}  // namespace tongueforge::compress

// The tokens of a row of logits, most probable first, sorted only as far as somebody looks: what is drawn is
// mostly near the top of a vocabulary.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tongueforge::generate {

class Ranking {
 public:
  /// Begins anew. The logits have to stay until the last look; of equal ones the smaller token comes first.
  void begin(std::span<const float> logits, double temperature);

  size_t size() const { return order_.size(); }
  /// The i-th token.
  int32_t token(size_t i) {
    sort_to(i + 1);
    return order_[i];
  }
  /// Its probability, as times that of the first: e^((logit - largest) / temperature).
  double weight(size_t i) {
    sort_to(i + 1);
    return weights_[i];
  }
  /// Of the weights of the first `count`: in their order, or of all of them in that of the tokens, which
  /// takes no sorting.
  double sum_of(size_t count);

 private:
  void sort_to(size_t count);
  double weight_of(int32_t token) const;

  std::span<const float> logits_;
  double temperature_ = 1, best_ = 0;
  std::vector<int32_t> order_;   // sorted at its beginning; kept to spare allocations
  std::vector<double> weights_;  // of what is sorted
};

}  // namespace tongueforge::generate

// How much of a matrix goes, and how many weights that is. Each count follows the rule of its method exactly,
// in the double arithmetic of the Python that the method was published in.
#pragma once
#include <cstdint>
#include <string>

namespace tongueforge::compress {

/// N:M: of every `of` consecutive inputs of a row, `kept` stay. (Code of other projects counts what is
/// dropped: 2:4 and 4:8 mean the same there, 1:4 does not.)
struct Pattern {
  static constexpr int64_t kMost = 64;  // of
  int64_t kept = 0, of = 0;
};

/// A share of the weights from 0 up to below 1, or a pattern where that is set.
struct Amount {
  double sparsity = 0;
  Pattern pattern{};

  bool has_pattern() const { return pattern.of > 0; }
};

/// The whole part of sparsity * n: Wanda for each row, and here for each block of SparseGPT. Magnitude rounds
/// instead: kernels::share_of.
int64_t whole_count(double sparsity, int64_t n);

/// Throws ERR_CONFIG for a share below 0 or from 1 up, a pattern that keeps none or all, and one into whose
/// groups these inputs cannot be cut. `name` is the matrix in the message.
void check_amount(const Amount& amount, const std::string& name, int64_t inputs);

}  // namespace tongueforge::compress

#include "compress/amount.h"

#include "core/error.h"

namespace tongueforge::compress {

int64_t whole_count(double sparsity, int64_t n) {
  return static_cast<int64_t>(sparsity * static_cast<double>(n));
}

void check_amount(const Amount& amount, const std::string& name, int64_t inputs) {
  const auto [kept, of] = amount.pattern;
  if (!amount.has_pattern()) {
    if (amount.sparsity >= 0 && amount.sparsity < 1) return;
    throw Error("ERR_CONFIG",
                str("sparsity: expected a share from 0 up to below 1, received ", amount.sparsity),
                "0.5 sets half of the weights to zero.");
  }
  if (kept < 1 || kept >= of || of > Pattern::kMost)
    throw Error("ERR_CONFIG",
                str("pattern: expected N:M with 0 < N < M <= ", Pattern::kMost,
                    ", N weights kept of every M, received ", kept, ":", of),
                "2:4 keeps two of every four consecutive inputs.");
  if (inputs % of != 0)
    throw Error("ERR_CONFIG",
                str("pattern ", kept, ":", of, ": expected the inputs of ", name, " to be groups of ", of,
                    ", received ", inputs, " inputs"),
                "Exclude this matrix, or take an M that divides its inputs.");
}

}  // namespace tongueforge::compress

// Which entries of a delta stay: the rules of TIES, DARE, breadcrumbs and DELLA.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "merge/methods/method.h"

namespace tongueforge::merge {

enum class Sparsifier : uint8_t {
  NONE,
  MAGNITUDE,  // the `density` largest in magnitude (TIES, arXiv 2306.01708)
  RANDOM,     // each with probability `density` (DARE, arXiv 2311.03099)
  OUTLIERS,   // `density` of them, without the `gamma` largest and the smallest (breadcrumbs, arXiv
              // 2312.06795)
  RANKED  // each with a probability of density +- epsilon by its rank in the row (DELLA, arXiv 2406.11617)
};

/// What becomes of a delta: entries that stay, times a factor.
struct Mask {
  std::vector<uint8_t> keep;  // 0 or 1 for each element; empty: all stay
  double scale = 1;

  const uint8_t* at(size_t begin) const { return keep.empty() ? nullptr : keep.data() + begin; }
};

/// The mask of one input's delta, x - base, rounded to float32 or to the working dtype.
/// `density` 1 or more (the default): all stay and nothing is drawn. MAGNITUDE and OUTLIERS take
/// floor(density * size) entries, equal magnitudes by their place; RANDOM and RANKED take their draws and,
/// with `rescale` (on by default), scale what stays so that the sum of magnitudes is that of the whole delta.
/// With `compat`: OUTLIERS drops everything where gamma * size < 1, MAGNITUDE throws ERR_CONFIG where nothing
/// would stay.
Mask sparsify(Sparsifier sparsifier, const MethodTensor& tensor, size_t input);

}  // namespace tongueforge::merge

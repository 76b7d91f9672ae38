// The loops of packed attention over raw memory: rows in and out of contiguous buffers, and the softmax of a
// tile of scores with its gradient.
#pragma once
#include "kernels/dispatch.h"
#include "kernels/simd.h"

namespace tongueforge::kernels {

/// Rows t = 0.. of one head inside a tensor, H dense values each.
template <class T>
struct HeadRows {
  T* data;
  int64_t stride;  // from a row to the next
};

/// A tile of scores (rows, keys), dense. Row r belongs to the query at place query + r % height; key c stands
/// at place first_key + c. Rows from `queries` on within each `height` are padding.
struct TileShape {
  int64_t groups, height, queries;  // rows = groups * height
  int64_t query, first_key, keys;
  int64_t window;  // 0: none
  int64_t length;  // of the document, where every query sees all of it; 0: a query sees what is before it

  int64_t rows() const { return groups * height; }
  /// Columns begin .. end-1 are visible to query t of the tile.
  int64_t visible_end(int64_t t) const { return (length > 0 ? length : query + t + 1) - first_key; }
  int64_t visible_begin(int64_t t) const {
    return window > 0 ? std::max<int64_t>(0, visible_end(t) - window) : 0;
  }
};

/// to (rows, H) dense = scale * from; rows from `filled` to `rows` become zero.
template <class T>
void gather_rows(simd::Wide<T>* to, HeadRows<const T> from, int64_t filled, int64_t rows, int64_t h,
                 double scale);

/// to = scale[t] * from (rows, H) dense, for the first `rows`; a null scale is 1.
template <class T>
void scatter_rows(HeadRows<T> to, const simd::Wide<T>* from, int64_t rows, int64_t h,
                  const simd::Wide<T>* scale);

/// scores -> e^(score - largest) where visible, else 0; for each row the sum of these and log(sum e^score).
template <class S>
void softmax_tile(const TileShape& tile, S* scores, S* sums, S* log_sums);

/// scores -> probabilities; grads, of the probabilities, -> of the scores: p (grad - delta).
template <class S>
void softmax_gradient_tile(const TileShape& tile, S* scores, S* grads, const S* log_sums, const S* deltas);

/// Sums of a * b over each row of H, for the first `rows`.
template <class S>
void row_products(S* sums, const S* a, const S* b, int64_t rows, int64_t h);

}  // namespace tongueforge::kernels

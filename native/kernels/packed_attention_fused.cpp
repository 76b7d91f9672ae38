#include "kernels/packed_attention_fused.h"

#include <atomic>
#include <cmath>

#include "kernels/attention_tile.h"
#include "kernels/matrix_product.h"

namespace tongueforge::kernels {
namespace {

// Sizes come in steps, so that the library behind the products meets few shapes and prepares each once.
constexpr int64_t kKeyStep = 64, kQueryStep = 16;
constexpr int64_t kTileRows =
    192;  // rows of one product: enough for the machine's rate, little enough for its caches

int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

/// Queries of a tile; each stands for `groups` rows.
int64_t tile_height(int64_t groups, int64_t length) {
  const int64_t fitting = std::max<int64_t>(kTileRows / groups / kQueryStep, 1) * kQueryStep;
  return std::min({fitting, int64_t{64}, round_up(length, kQueryStep)});
}

struct Sizes {
  int64_t heads, kv_heads, head_dim;

  explicit Sizes(const AttentionTensors& tensors)
      : heads(tensors.q.size(1)), kv_heads(tensors.k.size(1)), head_dim(tensors.q.size(3)) {}
  int64_t groups() const { return heads / kv_heads; }
};

/// Rows of head n of (B,N,T,H), from the document's first place on.
template <class T>
HeadRows<T> rows_of(const at::Tensor& x, const PackedDocument& document, int64_t n) {
  T* data = static_cast<T*>(const_cast<void*>(x.const_data_ptr()));
  return {data + document.row * x.stride(0) + n * x.stride(1) + document.begin * x.stride(2), x.stride(2)};
}

template <class T>
HeadRows<T> from_row(HeadRows<T> rows, int64_t t) {
  return {rows.data + t * rows.stride, rows.stride};
}

/// One thread's buffers, large enough for the longest document.
template <class S>
class Workspace {
 public:
  Workspace(const Sizes& sizes, int64_t longest, at::ScalarType dtype, bool with_gradients)
      : h_(sizes.head_dim), options_(at::TensorOptions().dtype(dtype)) {
    const int64_t keys = round_up(longest, kKeyStep);
    const int64_t rows = sizes.groups() * tile_height(sizes.groups(), longest);
    k = matrix(keys), v = matrix(keys), q = matrix(rows), y = matrix(rows);
    scores_ = at::empty({rows * keys}, options_);
    sums = at::empty({rows}, options_), log_sums = at::empty({rows}, options_);
    if (!with_gradients) return;
    dk = matrix(keys), dv = matrix(keys), dq = matrix(rows), dy = matrix(rows);
    grads_ = at::empty({rows * keys}, options_);
    deltas = at::empty({rows}, options_);
  }

  at::Tensor scores(const TileShape& tile) const {
    return scores_.narrow(0, 0, tile.rows() * tile.keys).view({tile.rows(), tile.keys});
  }
  at::Tensor grads(const TileShape& tile) const {
    return grads_.narrow(0, 0, tile.rows() * tile.keys).view({tile.rows(), tile.keys});
  }

  at::Tensor k, v, q, y, dk, dv, dq, dy;  // (rows, H)
  at::Tensor sums, log_sums, deltas;      // (rows)

 private:
  at::Tensor matrix(int64_t rows) const { return at::empty({rows, h_}, options_); }

  int64_t h_;
  at::TensorOptions options_;
  at::Tensor scores_, grads_;
};

template <class S>
S* raw(const at::Tensor& x) {
  return x.mutable_data_ptr<S>();
}

/// The tiles of one document, from its first query on.
template <class Body>
void for_each_tile(const PackedDocument& document, int64_t groups, const PackedAttentionOptions& options,
                   const Body& body) {
  const int64_t height = tile_height(groups, document.length), window = options.window;
  const int64_t length = options.causal ? 0 : document.length;
  for (int64_t query = 0; query < document.length; query += height) {
    const int64_t queries = std::min(height, document.length - query);
    const int64_t lowest = window > 0 ? std::max<int64_t>(0, query + 1 - window) : 0;
    const int64_t first_key = lowest / kKeyStep * kKeyStep;
    const int64_t keys = round_up(length > 0 ? length : query + queries, kKeyStep) - first_key;
    body(TileShape{groups, height, queries, query, first_key, keys, window, length});
  }
}

/// body(workspace, document, kv head) for all of them, on the threads in any order: each writes its own
/// places.
template <class S, class Body>
void for_each_head(const Sizes& sizes, const PackedAttentionOptions& options, at::ScalarType dtype,
                   bool with_gradients, const Body& body) {
  const auto& documents = options.plan->documents;
  if (documents.empty()) return;
  const int64_t tasks = static_cast<int64_t>(documents.size()) * sizes.kv_heads;
  std::atomic<int64_t> next = 0;
  const auto work = [&](int64_t, int64_t) {
    const at::NoGradGuard no_grad;
    Workspace<S> workspace(sizes, documents.front().length, dtype, with_gradients);
    for (int64_t task = next++; task < tasks; task = next++)
      body(workspace, documents[static_cast<size_t>(task / sizes.kv_heads)], task % sizes.kv_heads);
  };
  const int64_t threads = at::get_num_threads();
  if (tasks < threads)
    work(0, 1);
  else
    at::parallel_for(0, threads, 1, work);
}

template <class T>
class Head {
  using S = simd::Wide<T>;

 public:
  Head(const AttentionTensors& tensors, const PackedAttentionOptions& options, Workspace<S>& buffers,
       const PackedDocument& document, int64_t kv_head)
      : t_(tensors),
        options_(options),
        w_(buffers),
        document_(document),
        kv_head_(kv_head),
        groups_(tensors.q.size(1) / tensors.k.size(1)),
        h_(tensors.q.size(3)),
        scale_(1 / std::sqrt(static_cast<double>(h_))) {
    const int64_t rows = round_up(document.length, kKeyStep);
    gather_rows<T>(raw<S>(w_.k), rows_of<const T>(t_.k, document_, kv_head_), document_.length, rows, h_, 1);
    gather_rows<T>(raw<S>(w_.v), rows_of<const T>(t_.v, document_, kv_head_), document_.length, rows, h_, 1);
  }

  void forward() {
    for_each_tile(document_, groups_, options_, [&](const TileShape& tile) {
      if (options_.job) options_.job->check();
      const auto scores = compute_scores(tile);
      softmax_tile(tile, raw<S>(scores), raw<S>(w_.sums), raw<S>(w_.log_sums));
      const auto y = w_.y.narrow(0, 0, tile.rows());
      matrix_product_into(y, scores, keys_of(w_.v, tile));
      w_.sums.reciprocal_();
      for_each_group(tile, [&](int64_t row, int64_t head) {
        scatter_rows<T>(from_row(rows_of<T>(t_.y, document_, head), tile.query), raw<S>(y) + row * h_,
                        tile.queries, h_, raw<S>(w_.sums) + row);
        std::copy_n(raw<S>(w_.log_sums) + row, tile.queries, log_sums(head) + tile.query);
      });
    });
  }

  void backward(const AttentionGradients& grads) {
    w_.dk.zero_(), w_.dv.zero_();
    for_each_tile(document_, groups_, options_, [&](const TileShape& tile) {
      if (options_.job) options_.job->check();
      const auto scores = compute_scores(tile), score_grads = w_.grads(tile);
      gather_gradients(tile, grads);
      const auto q = w_.q.narrow(0, 0, tile.rows()), dy = w_.dy.narrow(0, 0, tile.rows());
      const auto dq = w_.dq.narrow(0, 0, tile.rows());
      matrix_product_into(score_grads, dy, keys_of(w_.v, tile).t());
      softmax_gradient_tile(tile, raw<S>(scores), raw<S>(score_grads), raw<S>(w_.log_sums),
                            raw<S>(w_.deltas));
      matrix_product_into(keys_of(w_.dv, tile), scores.t(), dy, /*beta=*/1);
      matrix_product_into(keys_of(w_.dk, tile), score_grads.t(), q, /*beta=*/1);
      matrix_product_into(dq, score_grads, keys_of(w_.k, tile));
      dq.mul_(scale_);
      for_each_group(tile, [&](int64_t row, int64_t head) {
        scatter_rows<T>(from_row(rows_of<T>(grads.dq, document_, head), tile.query), raw<S>(dq) + row * h_,
                        tile.queries, h_, nullptr);
      });
    });
    scatter_rows<T>(rows_of<T>(grads.dk, document_, kv_head_), raw<S>(w_.dk), document_.length, h_, nullptr);
    scatter_rows<T>(rows_of<T>(grads.dv, document_, kv_head_), raw<S>(w_.dv), document_.length, h_, nullptr);
  }

 private:
  // The rows of a tile are its groups, one under the other: body(first row, query head).
  template <class Body>
  void for_each_group(const TileShape& tile, const Body& body) {
    for (int64_t group = 0; group < groups_; group++) body(group * tile.height, kv_head_ * groups_ + group);
  }

  at::Tensor keys_of(const at::Tensor& x, const TileShape& tile) const {
    return x.narrow(0, tile.first_key, tile.keys);
  }

  S* log_sums(int64_t head) const {
    return raw<S>(t_.log_sums) + (document_.row * t_.log_sums.size(1) + head) * t_.log_sums.size(2) +
           document_.begin;
  }

  // Fills w_.q with the tile's scaled queries; every key of the step counts, also those that no query sees.
  at::Tensor compute_scores(const TileShape& tile) {
    for_each_group(tile, [&](int64_t row, int64_t head) {
      gather_rows<T>(raw<S>(w_.q) + row * h_, from_row(rows_of<const T>(t_.q, document_, head), tile.query),
                     tile.queries, tile.height, h_, scale_);
    });
    const auto scores = w_.scores(tile);
    matrix_product_into(scores, w_.q.narrow(0, 0, tile.rows()), keys_of(w_.k, tile).t());
    return scores;
  }

  // Fills w_.dy, w_.deltas (the sums of dy * y) and w_.log_sums for the rows of the tile.
  void gather_gradients(const TileShape& tile, const AttentionGradients& grads) {
    for_each_group(tile, [&](int64_t row, int64_t head) {
      S *dy = raw<S>(w_.dy) + row * h_, *y = raw<S>(w_.y) + row * h_;
      gather_rows<T>(dy, from_row(rows_of<const T>(grads.dy, document_, head), tile.query), tile.queries,
                     tile.height, h_, 1);
      gather_rows<T>(y, from_row(rows_of<const T>(t_.y, document_, head), tile.query), tile.queries,
                     tile.height, h_, 1);
      row_products(raw<S>(w_.deltas) + row, dy, y, tile.height, h_);
      std::copy_n(log_sums(head) + tile.query, tile.queries, raw<S>(w_.log_sums) + row);
    });
  }

  const AttentionTensors& t_;
  const PackedAttentionOptions& options_;
  Workspace<S>& w_;
  const PackedDocument& document_;
  int64_t kv_head_, groups_, h_;
  double scale_;
};

// body(head) for every key head of every document.
template <class Body>
void for_each_typed_head(const AttentionTensors& tensors, const PackedAttentionOptions& options,
                         bool with_gradients, const Body& body) {
  const Sizes sizes(tensors);
  for_dtype(tensors.q.scalar_type(), [&]<class T>(T) {
    using S = simd::Wide<T>;
    for_each_head<S>(sizes, options, tensors.log_sums.scalar_type(), with_gradients,
                     [&](Workspace<S>& buffers, const PackedDocument& document, int64_t kv_head) {
                       body(Head<T>(tensors, options, buffers, document, kv_head));
                     });
  });
}

}  // namespace

void fused_attention_forward(const AttentionTensors& tensors, const PackedAttentionOptions& options) {
  for_each_typed_head(tensors, options, /*with_gradients=*/false, [](auto&& head) { head.forward(); });
}

void fused_attention_backward(const AttentionTensors& tensors, const AttentionGradients& grads,
                              const PackedAttentionOptions& options) {
  for_each_typed_head(tensors, options, /*with_gradients=*/true, [&](auto&& head) { head.backward(grads); });
}

}  // namespace tongueforge::kernels

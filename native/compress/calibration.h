// Runs rows of text through a model block by block, so that a block can be listened to, changed, and run
// again as it has become before the next one hears what comes out of it: how Wanda and SparseGPT go about it.
//
//   Calibration calibration(model, rows, job);
//   for (; !calibration.at_end(); calibration.advance()) {
//     calibration.observe({{block.q.linear, [&](const at::Tensor& x_PC) { norms.add(x_PC); }}});
//     ... change the block ...
//   }
//
// Letters: B batch, T time, D model, P places where a document stands, C inputs of a linear layer.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "core/job.h"
#include "kernels/block_cache.h"
#include "models/model.h"

namespace tongueforge::compress {

/// Hears what goes into a linear layer: x_PC of one batch, in the order of its rows, without padding.
struct Listener {
  nn::Linear* linear;
  std::function<void(const at::Tensor& x_PC)> hear;
};

/// Hears what comes out of a linear layer that is under no adapter: y_PO, likewise.
struct OutputListener {
  nn::Linear* linear;
  std::function<void(const at::Tensor& y_PO)> hear;
};

class Calibration {
 public:
  /// Stands before the first block. Keeps what goes into the next one of all rows, in the model's dtype.
  /// Throws ERR_CALIBRATION where no row holds a document.
  Calibration(models::Model& model, std::vector<models::Rows> rows, const Job& job);

  /// Number of the block that is next.
  size_t block() const { return block_; }
  bool at_end() const { return block_ == num_blocks_; }
  /// Places of documents in all rows: what listeners hear.
  int64_t places() const { return places_; }

  /// Runs the next block as it is; what comes out is dropped.
  void observe(const std::vector<Listener>& listeners,
               const std::vector<OutputListener>& output_listeners = {}) const;
  /// Whether observe() leaves out the product of a layer of the next block, unless somebody listens to it.
  bool leaves_out(const nn::Linear& linear) const;
  /// The same, and what comes out goes into the block after it, which is next from then on.
  void advance(const std::vector<Listener>& listeners = {});

 private:
  struct Batch {
    models::Rows rows;
    at::Tensor x_BTD;
    at::Tensor maybe_places_P;  // within its rows laid end to end; undefined where they are all
  };

  at::Tensor run(const Batch& batch, const std::vector<Listener>& listeners,
                 const std::vector<OutputListener>& output_listeners) const;

  kernels::BlockCacheUse cache_;  // every batch makes and drops the same tensors
  models::Model& model_;
  const Job& job_;
  std::vector<Batch> batches_;
  size_t block_ = 0, num_blocks_;
  int64_t places_ = 0;
};

}  // namespace tongueforge::compress

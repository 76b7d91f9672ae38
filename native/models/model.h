// What every Transformer of ours is to training, compression and files. Letters: B batch, T time, D model.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/job.h"
#include "core/value.h"
#include "models/block.h"
#include "models/parameter.h"
#include "models/rows.h"
#include "nn/linear.h"

namespace tongueforge::models {

/// What one forward pass leaves on its way.
struct HiddenStates {
  at::Tensor last_BTD;                 // as hidden_packed() has it
  std::vector<at::Tensor> behind_BTD;  // the residual stream behind so many blocks, as it was asked for

  /// What has passed so many blocks, for each of `behind` that asks for it. Gives whether one does.
  bool keep(const std::vector<size_t>& behind, size_t passed, const at::Tensor& x_BTD);
};

/// A tensor that files may hold beside the one that it is tied to: it must be equal, and is not kept.
struct TiedCopy {
  std::string copy, original;  // names on disk
};

class Model : public Object {
 public:
  /// Every tensor, in the order of the forward pass; the table of names of this family.
  virtual std::vector<Parameter> parameters() = 0;
  std::vector<Parameter> parameters() const { return const_cast<Model*>(this)->parameters(); }
  virtual std::vector<TiedCopy> tied_copies() const { return {}; }
  /// Whether files may hold a tensor of this name that the model computes itself.
  virtual bool is_derived(const std::string&) const { return false; }
  /// Whether it is of a head that this model does not have: files may hold it, it is not read, and that is
  /// said.
  virtual bool is_of_another_head(const std::string&) const { return false; }
  /// The name that we give to a tensor of a file, where releases have used several.
  virtual std::string name_of(const std::string& name_in_file) const { return name_in_file; }
  /// Told the names in a folder, as name_of gives them, before its tensors are read: some are optional.
  virtual void fit_to(const std::set<std::string>&) {}
  /// Told that its tensors have been drawn (models/initialise.h): some follow from others.
  virtual void complete_drawn() {}

  virtual int64_t vocab_size() const = 0;
  virtual at::ScalarType dtype() const = 0;
  /// Where all its tensors are (models/device.h). Rows are given on the CPU, whatever it is.
  virtual at::Device device() const = 0;

  virtual std::vector<Block> blocks() = 0;
  std::vector<Block> blocks() const { return const_cast<Model*>(this)->blocks(); }
  /// Tells the model of the new sizes of a block whose tensors have been cut.
  virtual void resize_block(size_t i, const LayerSizes& sizes) = 0;
  /// Takes all other blocks out; numbers in ascending order.
  virtual void keep_blocks(const std::vector<size_t>& kept) = 0;
  /// Takes all other channels out of the residual stream, and with them rows and columns of all that reads
  /// and writes it. kept (D') int64, ascending. Throws ERR_CONFIG for models that cannot.
  virtual void keep_channels(const at::Tensor& kept);

  /// What goes into the first block, (B,T,D).
  virtual at::Tensor embed(const Rows& rows) const = 0;
  /// One block on x_BTD, residuals included -> (B,T,D): embed() and all blocks in turn, and the final norm
  /// where there is one, are hidden_packed().
  virtual at::Tensor run_block(size_t i, const at::Tensor& x_BTD, const Rows& rows, const Job* job) const = 0;
  /// Hidden states before the head, (B,T,D): attention and positions restart at each document. A job is asked
  /// before every block whether it was cancelled.
  virtual at::Tensor hidden_packed(const Rows& rows, const Job* job = nullptr) const = 0;

  /// hidden_packed(), and beside it what comes out of the n-th block for each n of `behind`; 0: what goes
  /// into the first. This one is for models without a final norm, and recomputes nothing.
  virtual HiddenStates hidden_states(const Rows& rows, const std::vector<size_t>& behind,
                                     const Job* job = nullptr) const;

  /// Whether a recorded forward pass keeps only what goes into each block, and backward computes the rest
  /// again.
  void recompute_blocks(bool recompute) { recompute_blocks_ = recompute; }
  /// What it drops while it learns; the trainer sets it.
  const std::shared_ptr<nn::TrainingDropout>& dropout() const { return dropout_; }

  int64_t bytes() const override;

 protected:
  bool recompute_blocks_ = false;

 private:
  std::shared_ptr<nn::TrainingDropout> dropout_ = std::make_shared<nn::TrainingDropout>();
};

}  // namespace tongueforge::models

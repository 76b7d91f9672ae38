// A probe: one linear layer over layers of a frozen model that are weighted (as SUPERB has it, Yang et al.
// 2021, arXiv 2105.01051). All in double. Letters: L layers, M rows of a chunk, D model, C classes.
//
//   x[l] = (states[l] - mean[l]) / deviation[l]     z = sum_l softmax(scores)[l] x[l]     logits = z W^T + b
//
// What stands in the states is not copied: mean and deviation go into the factors of the sum.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/job.h"
#include "probe/states.h"

namespace tongueforge::probe {

/// What may be learned; a gradient has the same shape. All views of one row of numbers.
struct Parameters {
  at::Tensor all;  // (L + C D + C)
  at::Tensor scores_L, weight_CD, bias_C;

  /// Zeros: layers weigh alike, and all classes are as likely.
  Parameters(int64_t layers, int64_t width, int64_t classes);
};

/// How values of layers are brought to one scale. none: not at all; layer: the mean of each value is taken
/// off, and all are divided by one deviation a layer; value: each by its own.
enum class Standard { none, layer, value };

/// Which layers a probe sees, and what standardises them.
struct View {
  std::vector<int64_t> layers;        // by their number in the states
  std::vector<double> mean, inverse;  // (L,D): what is taken off, and one over the deviation

  /// Of all rows of the utterances; deviations divide by one less than there are. A value that never
  /// changes has deviation 1.
  static View of(const States& states, std::vector<int64_t> layers, const std::vector<int32_t>& utterances,
                 Standard standard, Job& job);
};

class Head {
 public:
  Head(const States& states, View view, int64_t classes);

  Parameters parameters;

  const View& view() const { return view_; }
  /// (L): they add up to 1.
  std::vector<double> layer_weights() const;

  /// z (M,D) of the rows of stretches, one after the other.
  at::Tensor mixed(const std::vector<Stretch>& stretches) const;
  /// (M,C)
  at::Tensor logits(const at::Tensor& mixed_MD) const;
  /// Adds to `gradient` what comes of the gradient of the logits.
  void backward(const std::vector<Stretch>& stretches, const at::Tensor& mixed_MD,
                const at::Tensor& gradient_MC, Parameters& gradient) const;

 private:
  std::vector<double> gradient_of_weights(const std::vector<Stretch>& stretches,
                                          const at::Tensor& gradient_MD) const;

  const States& states_;
  View view_;
};

}  // namespace tongueforge::probe

// Quantises the weights of a model: which matrices, to how many bits, by nearest value or by GPTQ.
#pragma once
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compress/quantize_matrix.h"
#include "models/model.h"

namespace tongueforge::compress {

struct QuantizeOptions {
  int bits = 4;         // or 8
  int64_t group = 128;  // inputs that share a scale; 0: all of an output
  bool symmetric = true;
  bool gptq = false;
  double damping = 0.01;  // of gptq: inverse_factor.h
  /// Linear layers as "layers.3.self_attn.q_proj"; none of them factored.
  std::set<std::string> layers;
};

/// What has become of a weight.
struct QuantizedFigures {
  std::string name;  // on disk
  int64_t size = 0, zeros = 0;
  /// || W - W' || / || W ||, Frobenius norms.
  double weight_error = 0;
  /// gptq: || (W - W') X || / || W X || on the calibration inputs, as it is, and as nearest values have it.
  std::optional<double> error{}, error_of_nearest{};
  /// gptq: the damping that it took, and how often it had to be raised.
  std::optional<double> damping{};
  int retries = 0;
};

/// In the order of the forward pass. A layer keeps its numbers as its execution, and their products as its
/// weight. With gptq the blocks are taken in turn, each hears what the quantised ones before it make
/// of the rows; where nearest values are the better ones on these inputs, they are taken, so that no layer
/// comes out worse. Progress: {done, total} blocks. Throws ERR_NON_FINITE, ERR_CONFIG, before anything is
/// changed.
std::vector<QuantizedFigures> quantize_weights(models::Model& model, const QuantizeOptions& options,
                                               std::vector<models::Rows> rows, Job& job);

}  // namespace tongueforge::compress

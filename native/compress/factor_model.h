// Replaces linear layers of a model by products of two thinner ones (low_rank.h), or by what those multiply
// to.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/job.h"
#include "models/model.h"

namespace tongueforge::compress {

/// What an approximation is made for: the matrix itself, the outputs on calibration rows, or the inputs'
/// sizes there.
enum class Measure : uint8_t { weights, outputs, input_sizes };

struct FactorOptions {
  Measure measure = Measure::weights;
  /// Of linear layers as "layers.3.self_attn.q_proj", what they get unless `energy` or `budget` says; a rank
  /// that saves nothing leaves the layer as it is.
  std::map<std::string, int64_t> ranks;
  std::optional<double> energy{};   // the share of its squared singular values that each keeps
  std::optional<int64_t> budget{};  // parameters of all of them together, spread by their spectra
  int64_t multiple_of = 1;          // of ranks that are found by energy or budget
  bool dense = false;               // multiplied back: each layer is one matrix, of this rank
};

struct FactoredLayer {
  std::string name;  // on disk
  int64_t rank = 0;  // 0: it stayed as it was
  int64_t parameters = 0;
  double error = 0;     // |(W - W') X| / |W X| by the measure, with the factors as they are stored
  double foretold = 0;  // the same by the singular values that were dropped
  double damping = 0;   // low_rank.h
};

/// In place; in the order of the forward pass. With a measure that looks at inputs the blocks take turns: the
/// inputs of all layers of a block are gathered as it is, it is changed, and what it makes of the rows from
/// then on goes into the next. A budget is spread first, by the spectra of the model as it is. Progress:
/// {label, done, total} blocks. Throws ERR_NON_FINITE, ERR_CALIBRATION without rows, ERR_ADAPTER for layers
/// that carry one.
std::vector<FactoredLayer> factor_model(models::Model& model, const FactorOptions& options,
                                        std::vector<models::Rows> rows, Job& job);

}  // namespace tongueforge::compress

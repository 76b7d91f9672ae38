#include "probe/ctc.h"
#include "probe/objective.h"

namespace tongueforge::probe {
namespace {

class SequenceObjective final : public Objective {
 public:
  int64_t terms(std::span<const int32_t>) const override { return 1; }

  double loss(double* logits, int64_t rows, int64_t classes, std::span<const int32_t> target,
              bool gradient) const override {
    const double share = 1 / static_cast<double>(target.size());
    const double whole = ctc_loss(logits, rows, classes, target, gradient);
    if (gradient)
      for (int64_t i = 0; i < rows * classes; i++) logits[i] *= share;
    return whole * share;
  }

  std::vector<int32_t> prediction(const double* logits, int64_t rows, int64_t classes) const override {
    return greedy_tokens(logits, rows, classes);
  }
};

}  // namespace

std::unique_ptr<Objective> make_sequence_objective() { return std::make_unique<SequenceObjective>(); }

}  // namespace tongueforge::probe

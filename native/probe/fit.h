// Learning a probe from utterances, and judging it on others.
#pragma once
#include <cstdint>
#include <vector>

#include "core/job.h"
#include "probe/head.h"
#include "probe/objective.h"
#include "probe/states.h"

namespace tongueforge::probe {

/// Utterances by their number in the states, and the target of each.
struct Examples {
  std::vector<int32_t> utterances;
  std::vector<std::vector<int32_t>> targets;
};

struct FitOptions {
  int64_t classes = 2;
  int64_t steps = 150;
  /// Utterances of a step; 0: all of them. Else each is drawn once an epoch, in a seeded order.
  int64_t batch_size = 0;
  double lr = 1e-2, weight_decay = 0;
  uint64_t seed = 1;
};

struct Loss {
  double sum = 0;
  int64_t terms = 0;
};

/// Sum and number of the terms of the examples that `order` names; to `gradient`, where there is one, that of
/// the sum by `divisor` is added.
Loss batch_loss(const Head& head, const Objective& objective, const States& states, const Examples& examples,
                const std::vector<int64_t>& order, int64_t divisor, Parameters* gradient, Job& job);

/// Adam (Kingma & Ba 2015, arXiv 1412.6980; betas 0.9 and 0.999, eps 1e-8) from zeros, decoupled decay of the
/// matrix. Returns the loss of each step, before it was taken. Progress: {done, total} steps.
std::vector<double> fit(Head& head, const Objective& objective, const States& states,
                        const Examples& examples, const FitOptions& options, Job& job);

struct Judgement {
  double loss = 0;
  std::vector<std::vector<int32_t>> predictions;  // of each example
};
Judgement judge(const Head& head, const Objective& objective, const States& states, const Examples& examples,
                Job& job);

}  // namespace tongueforge::probe

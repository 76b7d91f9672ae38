// What scores from data look at: rows of tokens, and what the model's own loss says of them.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "core/error.h"
#include "core/job.h"
#include "models/model.h"

namespace tongueforge::compress {

/// The loss of one batch of calibration rows: a scalar sum over its targets, to be differentiated.
using BatchLoss = std::function<at::Tensor(size_t batch, const Job& job)>;

struct CalibrationRows {
  std::vector<models::Rows> batches;
  BatchLoss loss;  // may be empty where nothing is differentiated
};

/// Calls see(batch) for each, with what it yields to a job in between: progress, and the question whether it
/// was cancelled. Throws ERR_CALIBRATION where there is none.
template <class See>
void for_each_batch(const CalibrationRows& rows, Job& job, const See& see) {
  const size_t total = rows.batches.size();
  if (total == 0)
    throw Error("ERR_CALIBRATION", "Expected calibration rows, received none",
                "Name texts under calibration.data, or choose criterion: l1, which looks at weights alone.");
  for (size_t batch = 0; batch < total; batch++) {
    job.check();
    see(batch);
    job.progress(Value::Map{{"done", uint64_t{batch + 1}}, {"total", uint64_t{total}}});
  }
}

}  // namespace tongueforge::compress

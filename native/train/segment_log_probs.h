// What a model says of whole documents: for preferences, their references, and the perplexity of texts.
#pragma once
#include <ATen/core/Tensor.h>

#include "core/job.h"
#include "models/decoder.h"
#include "train/batch.h"

namespace tongueforge::train {

/// One entry for each of the S documents of a batch, row after row; a row has as many as its last segment's
/// number says. On the CPU, wherever the model is: a few numbers a document, summed in a fixed order.
struct SegmentLogProbs {
  at::Tensor sums_S;    // float64, differentiable: log-probabilities (natural) of its target tokens, summed
  at::Tensor counts_S;  // int64: how many they are; 0 for a document that is not to be learnt
};

/// The number of documents in each row, (B) int64.
at::Tensor segments_per_row(const at::Tensor& segments_BT);

/// The head is applied to target places alone, and to few of them at a time. A job is asked before every
/// layer and every piece of the head whether it was cancelled.
SegmentLogProbs segment_log_probs(const models::Decoder& model, const Batch& batch, const Job* job);

}  // namespace tongueforge::train

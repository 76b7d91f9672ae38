// Channels of the residual stream: which of them a narrower student keeps.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "models/model.h"

namespace tongueforge::compress {

/// (D) float64: how much is written into each channel, as the sum over all that writes (the table of tokens,
/// and of each block what leaves attention and the feed-forward layer) of the channel's squared norm there,
/// over the mean of all channels. A simple rule, by weights alone.
at::Tensor channel_scores(const models::Model& model);

/// Keeps the `count` channels of the highest scores, in their order; equal ones by number. Throws ERR_CONFIG
/// for more than there are, ERR_NON_FINITE for weights that are no numbers, and as check_cuttable.
void keep_largest_channels(models::Model& model, int64_t count);

}  // namespace tongueforge::compress

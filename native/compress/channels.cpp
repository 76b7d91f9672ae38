#include "compress/channels.h"

#include "compress/plain_weights.h"
#include "compress/to_list.h"
#include "compress/unit_selection.h"
#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::compress {
namespace {

// weight (.., D) along `dim` -> (D)
at::Tensor share_of_channels(const at::Tensor& weight, int64_t other_dim) {
  const auto squares = weight.to(at::kDouble).square().sum(other_dim);
  return squares.div(squares.mean().clamp_min(1e-300));
}

}  // namespace

at::Tensor channel_scores(const models::Model& model) {
  const at::NoGradGuard no_grad;
  at::Tensor scores;
  const auto add = [&](const at::Tensor& share) { scores = scores.defined() ? scores.add(share) : share; };
  for (const auto& parameter : model.parameters())
    if (parameter.kind == models::ParameterKind::embedding) add(share_of_channels(*parameter.tensor, 0));
  for (const auto& block : model.blocks())
    for (const auto* writer : {block.o.linear, block.narrow.linear})
      add(share_of_channels(writer->dense(), 1));
  return scores;
}

void keep_largest_channels(models::Model& model, int64_t count) {
  for (const auto& block : model.blocks()) check_cuttable(block);
  const auto scores = channel_scores(model);
  if (count < 1 || count > scores.numel())
    throw Error("ERR_CONFIG",
                str("Expected from 1 to ", scores.numel(), " channels to keep, received ", count));
  check_finite({to_list(scores)});
  const auto order = std::get<1>(scores.sort(/*stable=*/true, /*dim=*/0, /*descending=*/true));
  model.keep_channels(std::get<0>(order.narrow(0, 0, count).sort()));
}

}  // namespace tongueforge::compress

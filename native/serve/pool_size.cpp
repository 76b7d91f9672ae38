#include "serve/pool_size.h"

#include <algorithm>

#include "core/error.h"
#include "models/positions.h"

namespace tongueforge::serve {
namespace {

// Positions of the longest sequence. Those of a dynamic rope are the trained ones: beyond them its rotation
// would depend on how long a sequence gets.
int64_t longest_of(const models::DecoderSpec& spec) {
  const bool is_dynamic = spec.rope.kind == nn::RopeKind::dynamic;
  return is_dynamic ? std::min(spec.max_positions, spec.rope.original_max_positions)
                    : models::most_positions(spec);
}

}  // namespace

int64_t bytes_of_page(const models::Decoder& model) {
  int64_t values = 0;
  for (const auto& layer : model.spec().layers)
    values += 2 * layer.num_kv_heads * model.spec().head_dim * kernels::kPageSize;
  return values * static_cast<int64_t>(c10::elementSize(model.dtype()));
}

int64_t context_of(const models::Decoder& model, const EngineOptions& options, int64_t held) {
  const int64_t longest = longest_of(model.spec());
  const int64_t context = options.context > 0 ? options.context : std::min(longest, held);
  if (context > longest)
    throw Error(
        "ERR_CONTEXT",
        str("Expected a context of at most ", longest, " positions, which the model has, received ", context),
        "Ask for less.");
  if (context > held || context < 1)
    throw Error("ERR_OUT_OF_MEMORY",
                str("A cache of ", options.cache_bytes, " bytes holds ", held, " positions of ",
                    bytes_of_page(model) / kernels::kPageSize, " bytes: expected room for one sequence of ",
                    std::max<int64_t>(context, 1)),
                str("Give it at least ",
                    (std::max<int64_t>(context, 1) + kernels::kPageSize - 1) / kernels::kPageSize *
                        bytes_of_page(model),
                    " bytes, or ask for a shorter context."));
  return context;
}

void check_model(const models::Decoder& model) {
  if (!model.device().is_cpu())
    throw Error("ERR_DEVICE",
                str("Expected a model on the CPU to serve, received one on ", model.device().str()),
                "Serving runs on the CPU so far: leave `device` out, or leave `serving` out and generate in "
                "batches.");
  if (model.dtype() != at::kFloat && model.dtype() != at::kBFloat16)
    throw Error("ERR_DTYPE", "Expected a model in float32 or bfloat16 to serve, received another dtype",
                "Load it with dtype: 'bfloat16'.");
}

Limits limits_of(const models::Decoder& model, const EngineOptions& options) {
  check_model(model);
  return {.seats = options.seats,
          .pages = options.cache_bytes / std::max<int64_t>(1, bytes_of_page(model)),
          .page_size = kernels::kPageSize,
          .keeps_prefixes = options.keeps_prefixes};
}

}  // namespace tongueforge::serve

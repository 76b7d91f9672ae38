// What an engine runs, and how much it holds at a time: pages of the pool, and positions of one sequence.
#pragma once
#include "models/decoder.h"
#include "serve/engine.h"
#include "serve/scheduler.h"

namespace tongueforge::serve {

/// Keys and values of one page, all layers together.
int64_t bytes_of_page(const models::Decoder& model);

/// Throws ERR_DEVICE and ERR_DTYPE for a model that an engine does not run.
void check_model(const models::Decoder& model);

/// Throws what check_model throws.
Limits limits_of(const models::Decoder& model, const EngineOptions& options);

/// Positions of the longest sequence, where the pool holds so many. Throws ERR_CONTEXT where the model has
/// fewer than are asked for, ERR_OUT_OF_MEMORY, with the numbers, where the pool has.
int64_t context_of(const models::Decoder& model, const EngineOptions& options, int64_t held);

}  // namespace tongueforge::serve

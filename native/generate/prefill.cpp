#include "generate/prefill.h"

#include <algorithm>

#include "kernels/aten.h"
#include "models/token_rows.h"

namespace tongueforge::generate {
namespace {

// So that a long prompt can be cancelled and never holds more than a block's activations.
constexpr int64_t kBlock = 512;
constexpr int64_t kFirstRoom = 256;  // new tokens that the cache has room for from the start

}  // namespace

Prefilled prefill(const models::Decoder& model, const std::vector<std::vector<int32_t>>& prompts,
                  int64_t most_new, const Job& job) {
  const auto prompt_BT = models::stack_rows(prompts);
  const int64_t length = prompt_BT.size(1);
  Prefilled filled = {model.make_cache(prompt_BT.size(0), length + std::min(most_new, kFirstRoom)), {}};
  for (int64_t start = 0; start < length; start += kBlock) {
    job.check();
    const auto block_BT = prompt_BT.slice(1, start, std::min(start + kBlock, length));
    const auto hidden = model.hidden(block_BT, &filled.cache, &job);
    filled.logits_BV = model.logits(hidden.select(1, -1)).to(at::kFloat);
  }
  return filled;
}

}  // namespace tongueforge::generate

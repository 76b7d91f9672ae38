#include "generate/generator.h"

#include <algorithm>
#include <map>

#include "kernels/aten.h"
#include "models/token_rows.h"

namespace tongueforge::generate {
namespace {

// Prefill in blocks, so that a long prompt can be cancelled and never holds more than a block's activations.
constexpr int64_t kPrefillBlock = 512;
constexpr int64_t kFirstRoom = 256;  // new tokens that the cache has room for from the start

// Sequences of one batch: those that have ended leave it, so that the rest go faster.
class Batch {
 public:
  Batch(const models::Decoder& model, const std::vector<std::vector<int32_t>>& prompts,
        std::vector<size_t> rows, const GenerateOptions& options, Job& job)
      : model_(model), options_(options), job_(job), rows_(std::move(rows)) {
    for (const size_t row : rows_) {
      contexts_.push_back(prompts[row]);
      auto sampling = options.sampling;
      sampling.seed += row;
      samplers_.emplace_back(sampling);
    }
    const auto length = static_cast<int64_t>(contexts_[0].size());
    cache_ = model.make_cache(static_cast<int64_t>(rows_.size()),
                              length + std::min(options.max_new_tokens, kFirstRoom));
  }

  void run(std::vector<Generated>& results) {
    auto logits_BV = prefill();
    for (int64_t step = 0; step < options_.max_new_tokens; step++) {
      const auto next = choose(logits_BV, results);
      if (rows_.empty() || step + 1 == options_.max_new_tokens) return;
      job_.check();
      logits_BV = last_logits(next);
    }
  }

 private:
  at::Tensor last_logits(const at::Tensor& ids_BT) {
    const auto hidden = model_.hidden(ids_BT, &cache_, &job_);
    return model_.logits(hidden.select(1, -1)).to(at::kCPU, at::kFloat).contiguous();
  }

  at::Tensor prefill() {
    const auto prompt_BT = models::stack_rows(contexts_);
    const int64_t length = prompt_BT.size(1);
    at::Tensor logits_BV;
    for (int64_t start = 0; start < length; start += kPrefillBlock) {
      job_.check();
      logits_BV = last_logits(prompt_BT.slice(1, start, std::min(start + kPrefillBlock, length)));
    }
    return logits_BV;
  }

  // Appends one token to every sequence, drops those that end, and gives the tokens of the rest as (B,1).
  at::Tensor choose(const at::Tensor& logits_BV, std::vector<Generated>& results) {
    const int64_t vocabulary = logits_BV.size(1);
    std::vector<int64_t> going, next;
    for (size_t b = 0; b < rows_.size(); b++) {
      const std::span<float> logits(logits_BV.data_ptr<float>() + static_cast<int64_t>(b) * vocabulary,
                                    vocabulary);
      const int32_t token = samplers_[b].next(logits, contexts_[b]);
      auto& result = results[rows_[b]];
      result.stopped =
          std::find(options_.stop_ids.begin(), options_.stop_ids.end(), token) != options_.stop_ids.end();
      if (result.stopped) continue;
      result.ids.push_back(token);
      contexts_[b].push_back(token);
      going.push_back(static_cast<int64_t>(b));
      next.push_back(token);
      if (options_.stream)
        job_.emit(Value::Map{{"row", static_cast<int64_t>(rows_[b])}, {"id", int64_t{token}}});
    }
    if (going.size() < rows_.size()) keep(going);
    return at::tensor(next, at::kLong).unsqueeze(1);
  }

  void keep(const std::vector<int64_t>& going) {
    const auto pick = [&](auto& list) {
      std::remove_reference_t<decltype(list)> kept;
      for (const int64_t b : going) kept.push_back(std::move(list[b]));
      list = std::move(kept);
    };
    pick(rows_), pick(contexts_), pick(samplers_);
    const auto index = at::tensor(going, at::kLong).to(model_.device());
    for (auto& layer : cache_.layers) {
      layer.k_BKSH = layer.k_BKSH.index_select(0, index);
      layer.v_BKSH = layer.v_BKSH.index_select(0, index);
    }
  }

  const models::Decoder& model_;
  const GenerateOptions& options_;
  Job& job_;
  std::vector<size_t> rows_;
  std::vector<std::vector<int32_t>> contexts_;
  std::vector<Sampler> samplers_;
  models::DecoderCache cache_;
};

}  // namespace

std::vector<Generated> generate(const models::Decoder& model,
                                const std::vector<std::vector<int32_t>>& prompts,
                                const GenerateOptions& options, Job& job) {
  const at::NoGradGuard no_grad;
  models::check_token_rows(prompts, model.spec().vocab_size);
  std::map<size_t, std::vector<size_t>> by_length;
  for (size_t row = 0; row < prompts.size(); row++) by_length[prompts[row].size()].push_back(row);
  std::vector<Generated> results(prompts.size());
  if (options.max_new_tokens == 0) return results;
  for (auto& [length, rows] : by_length) Batch(model, prompts, rows, options, job).run(results);
  return results;
}

}  // namespace tongueforge::generate

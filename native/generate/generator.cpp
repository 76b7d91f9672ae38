#include "generate/generator.h"

#include <map>
#include <optional>

#include "core/error.h"
#include "generate/greedy.h"
#include "generate/prefill.h"
#include "generate/sequences.h"
#include "generate/token_step.h"
#include "kernels/aten.h"
#include "models/positions.h"
#include "models/token_rows.h"

namespace tongueforge::generate {
namespace {

/// Sequences of one batch whose tokens the host chooses: those that have ended leave it, so that the rest go
/// faster.
class Batch {
 public:
  Batch(const models::Decoder& model, Sequences& sequences, const std::vector<size_t>& rows,
        const GenerateOptions& options, Job& job)
      : model_(model), sequences_(sequences), job_(job) {
    for (const size_t row : rows) {
      auto sampling = options.sampling;
      sampling.seed += row;
      samplers_.emplace_back(sampling);
    }
  }

  void run(int64_t most_new) {
    auto filled = prefill(model_, sequences_.contexts(), most_new, job_);
    cache_ = std::move(filled.cache);
    auto logits_BV = filled.logits_BV;
    for (int64_t count = 1; count <= most_new; count++) {
      const auto on_host = logits_BV.cpu().contiguous();
      logits_BV.reset();  // memory of the recorded step, which may be recorded anew (kernels/graph.h)
      const auto next_B1 = choose(on_host);
      if (sequences_.size() == 0 || count == most_new) return;
      job_.check();
      logits_BV = continued(next_B1);
    }
  }

 private:
  at::Tensor continued(const at::Tensor& ids_B1) {
    if (!step_ && model_.device().is_cuda() && TokenStep::fits(model_))
      step_.emplace(model_, std::move(cache_), ids_B1.to(model_.device()), /*greedy=*/false);
    if (!step_) {
      const auto hidden = model_.hidden(ids_B1, &cache_, &job_);
      return model_.logits(hidden.select(1, -1)).to(at::kFloat);
    }
    at::Tensor(step_->ids()).copy_(ids_B1);
    step_->run();
    return step_->logits();
  }

  // One token for every sequence; gives those of the sequences that go on, (B,1).
  at::Tensor choose(const at::Tensor& logits_BV) {
    const int64_t vocabulary = logits_BV.size(1);
    std::vector<int32_t> tokens;
    for (size_t b = 0; b < sequences_.size(); b++) {
      const std::span<float> logits(logits_BV.data_ptr<float>() + static_cast<int64_t>(b) * vocabulary,
                                    vocabulary);
      tokens.push_back(samplers_[b].next(logits, sequences_.contexts()[b]));
    }
    const auto going = sequences_.add(tokens);
    if (going.size() < tokens.size()) keep(going);
    std::vector<int64_t> next;
    for (const int64_t b : going) next.push_back(tokens[static_cast<size_t>(b)]);
    return at::tensor(next, at::kLong).unsqueeze(1);
  }

  void keep(const std::vector<int64_t>& going) {
    samplers_ = picked(std::move(samplers_), going);
    if (going.empty()) return;
    if (step_) return step_->keep(going);
    const auto index = at::tensor(going, at::kLong).to(model_.device());
    for (auto& layer : cache_.layers) {
      layer.k_BKSH = layer.k_BKSH.index_select(0, index);
      layer.v_BKSH = layer.v_BKSH.index_select(0, index);
    }
  }

  const models::Decoder& model_;
  Sequences& sequences_;
  Job& job_;
  std::vector<Sampler> samplers_;
  models::DecoderCache cache_;
  std::optional<TokenStep> step_;  // on a GPU, from the second new token on
};

}  // namespace

std::vector<Generated> generate(const models::Decoder& model,
                                const std::vector<std::vector<int32_t>>& prompts,
                                const GenerateOptions& options, Job& job) {
  const at::NoGradGuard no_grad;
  models::check_token_rows(prompts, model.spec().vocab_size);
  const int64_t positions = models::most_positions(model.spec());
  std::map<size_t, std::vector<size_t>> by_length;
  std::map<size_t, int64_t> most_new;
  for (size_t row = 0; row < prompts.size(); row++) {
    const size_t length = prompts[row].size();
    most_new[length] = models::room_behind(static_cast<int64_t>(length), options.max_new_tokens,
                                           {positions, prompts.size() > 1 ? str(" in row ", row) : "", ""});
    by_length[length].push_back(row);
  }
  std::vector<Generated> results(prompts.size());
  if (options.max_new_tokens == 0) return results;
  for (auto& [length, rows] : by_length) {
    Sequences sequences(prompts, rows, options, job, results);
    if (model.device().is_cuda() && can_run_greedily(model, options))
      run_greedily(model, sequences, most_new[length], job);
    else
      Batch(model, sequences, rows, options, job).run(most_new[length]);
  }
  return results;
}

}  // namespace tongueforge::generate

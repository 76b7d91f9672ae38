#include "generate/greedy.h"

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <numeric>

#include "generate/prefill.h"
#include "generate/sampler.h"
#include "generate/token_step.h"
#include "kernels/aten.h"

namespace tongueforge::generate {
namespace {

/// Tokens on their way to the host, with the logits that made them the greatest.
class Reading {
 public:
  Reading(const at::Tensor& ids_B1, const at::Tensor& best_B1)
      : ids_B1_(on_host(ids_B1)), best_B1_(on_host(best_B1)) {
    if (!ids_B1.is_cuda()) return;
    const c10::impl::VirtualGuardImpl torch(c10::DeviceType::CUDA);
    copied_.emplace(c10::DeviceType::CUDA);
    copied_->record(torch.getStream(ids_B1.device()));
  }

  void wait() const {
    if (copied_) copied_->synchronize();
  }

  /// The token of a sequence of the batch.
  int32_t token(int64_t place) const {
    const auto token = static_cast<int32_t>(ids_B1_.const_data_ptr<int64_t>()[place]);
    check_logit(best_B1_.const_data_ptr<float>()[place], token);
    return token;
  }

 private:
  static at::Tensor on_host(const at::Tensor& x) {
    const auto host = at::empty(x.sizes(), x.options().device(at::kCPU).pinned_memory(x.is_cuda()));
    at::Tensor(host).copy_(x, /*non_blocking=*/true);
    return host;
  }

  at::Tensor ids_B1_, best_B1_;
  std::optional<c10::Event> copied_;
};

/// Sequences of one batch on the device. Those that have ended stay until they are half of it: to drop one is
/// to record the step again.
class Greedy {
 public:
  Greedy(const models::Decoder& model, Sequences& sequences, int64_t most_new, const Job& job)
      : sequences_(sequences), places_(sequences.size()) {
    auto filled = prefill(model, sequences.contexts(), most_new, job);
    std::tie(best_B1_, ids_B1_) = filled.logits_BV.max(1, /*keepdim=*/true);
    step_.emplace(model, std::move(filled.cache), ids_B1_, /*greedy=*/true);
    std::iota(places_.begin(), places_.end(), 0);
  }

  void run(int64_t most_new, const Job& job) {
    for (int64_t count = 1; count <= most_new; count++) {
      const Reading reading(count == 1 ? ids_B1_ : step_->ids(), count == 1 ? best_B1_ : step_->best());
      if (count < most_new) step_->run();
      reading.wait();
      add(reading);
      if (sequences_.size() == 0 || count == most_new) return;
      job.check();
    }
  }

 private:
  void add(const Reading& reading) {
    std::vector<int32_t> tokens;
    for (const int64_t place : places_) tokens.push_back(reading.token(place));
    places_ = picked(std::move(places_), sequences_.add(tokens));
    if (places_.empty() || 2 * static_cast<int64_t>(places_.size()) > step_->batch()) return;
    step_->keep(places_);
    std::iota(places_.begin(), places_.end(), 0);
  }

  Sequences& sequences_;
  std::vector<int64_t> places_;  // of the sequences that go on, within the batch
  at::Tensor ids_B1_, best_B1_;  // the first new tokens
  std::optional<TokenStep> step_;
};

}  // namespace

bool can_run_greedily(const models::Decoder& model, const GenerateOptions& options) {
  const auto& sampling = options.sampling;
  return sampling.temperature == 0 && sampling.repetition_penalty == 1 && TokenStep::fits(model);
}

void run_greedily(const models::Decoder& model, Sequences& sequences, int64_t most_new, Job& job) {
  Greedy(model, sequences, most_new, job).run(most_new, job);
}

}  // namespace tongueforge::generate

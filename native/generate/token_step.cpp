#include "generate/token_step.h"

#include "kernels/aten.h"
#include "kernels/greedy_choice.h"

namespace tongueforge::generate {
namespace {

constexpr int kRehearsals =
    1;  // steps before the recording: kernels are loaded, libraries prepare themselves

int64_t room_of(const models::DecoderCache& cache) { return cache.layers.at(0).k_BKSH.size(2); }

template <class Change>
void for_each_tensor(models::DecoderCache& cache, const Change& change) {
  for (auto& layer : cache.layers)
    for (auto* tensor : {&layer.k_BKSH, &layer.v_BKSH}) *tensor = change(*tensor);
}

// A copy of the first places with room for more, and zeros there.
at::Tensor with_room(const at::Tensor& cache_BKSH, int64_t filled, int64_t room) {
  auto shape = cache_BKSH.sizes().vec();
  shape[2] = room;
  const auto larger = at::zeros(shape, cache_BKSH.options());
  larger.narrow(2, 0, filled).copy_(cache_BKSH.narrow(2, 0, filled));
  return larger;
}

}  // namespace

TokenStep::TokenStep(const models::Decoder& model, models::DecoderCache cache, const at::Tensor& ids_B1,
                     bool greedy, bool recorded)
    : model_(model),
      cache_(std::move(cache)),
      greedy_(greedy),
      recorded_(recorded && model.device().is_cuda()),
      ids_B1_(ids_B1.clone()),
      best_B1_(at::empty(ids_B1.sizes(), ids_B1.options().dtype(at::kFloat))) {
  const int64_t filled = cache_.length;
  for_each_tensor(cache_, [&](const at::Tensor& cache_BKSH) {
    cache_BKSH.narrow(2, filled, cache_BKSH.size(2) - filled).zero_();
    return cache_BKSH;
  });
  begin_at(filled);
}

bool TokenStep::fits(const models::Decoder& model) {
  return !model.spec().layers.empty() && model.spec().rope.kind != nn::RopeKind::dynamic;
}

void TokenStep::run() {
  if (cache_.length == room_of(cache_)) make_room();
  const auto body = [this] { step(); };
  if (!recorded_) {
    body();
  } else {
    if (!graph_) graph_.emplace(model_.device());
    if (!graph_->is_captured() && rehearsals_ == kRehearsals) graph_->capture(body);
    if (graph_->is_captured())
      graph_->replay();
    else
      graph_->rehearse(body), rehearsals_++;
  }
  cache_.length++;
}

// What runs is the same for every token: it counts the places on the device itself.
void TokenStep::step() {
  const auto hidden_B1D = model_.next_hidden(ids_B1_, cache_, next_);
  const auto logits_BV = model_.logits(hidden_B1D.select(1, 0));
  if (greedy_)
    kernels::greedy_choice(logits_BV, ids_B1_, best_B1_);
  else
    logits_BV_ = logits_BV.to(at::kFloat);
  next_.place.add_(1);
}

void TokenStep::make_room() {
  for_each_tensor(cache_, [&](const at::Tensor& cache_BKSH) {
    return with_room(cache_BKSH, cache_.length, 2 * cache_.length);
  });
  begin_at(cache_.length);
}

void TokenStep::keep(const std::vector<int64_t>& sequences) {
  const auto index = at::tensor(sequences, at::kLong).to(ids_B1_.device());
  for_each_tensor(cache_, [&](const at::Tensor& cache_BKSH) { return cache_BKSH.index_select(0, index); });
  ids_B1_ = ids_B1_.index_select(0, index);
  best_B1_ = best_B1_.index_select(0, index);
  begin_at(cache_.length);
}

// Other shapes or addresses than before: what was recorded is of no use.
void TokenStep::begin_at(int64_t place) {
  logits_BV_.reset();
  graph_.reset();
  rehearsals_ = 0;
  next_ = *model_.make_places(room_of(cache_));
  next_.place.fill_(place);
}

}  // namespace tongueforge::generate

#include "serve/engine.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <span>

#include "core/error.h"
#include "kernels/aten.h"
#include "kernels/row_product.h"
#include "kernels/torch_error.h"
#include "models/positions.h"
#include "serve/chosen_token.h"
#include "serve/pool_size.h"

namespace tongueforge::serve {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr int64_t kFewestPrefillRows = 16, kMostPrefillRows = 256;
/// With readers, before they are told again; longer than a job holds events back.
constexpr auto kPatience = 25ms;
constexpr const char* kLessMemory = "Fewer sequences, or a smaller cache.";

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<int64_t> numbers_of(const std::vector<Work>& works) {
  std::vector<int64_t> all;
  for (const auto& work : works) all.push_back(work.sequence->number);
  return all;
}

Usage usage_of(const Sequence& sequence) {
  return {static_cast<int64_t>(sequence.request.prompt.size()), sequence.cached, sequence.new_tokens()};
}

Error error_of_step() {
  try {
    throw;
  } catch (const Error& error) { return error; } catch (const c10::Error& error) {
    return kernels::error_of_torch(error, kLessMemory);
  } catch (const std::bad_alloc&) {
    return {"ERR_OUT_OF_MEMORY", "Out of memory", kLessMemory};
  } catch (const std::exception& error) { return {"ERR_INTERNAL", error.what()}; }
}

}  // namespace

// ---- any thread -----------------------------------------------------------------------------------------

Engine::Engine(std::shared_ptr<const models::Decoder> model, const EngineOptions& options)
    : options_(options), scheduler_(limits_of(*model, options)) {
  const int64_t pages = scheduler_.pages().count();
  context_ = context_of(*model, options, pages * kernels::kPageSize);
  table_ = model->make_places(context_)->table;
  pool_ = model->make_pool(pages);
  pool_bytes_ = pages * bytes_of_page(*model);
  use(std::move(model));
  publish_stats();
}

int64_t Engine::submit(Request request) {
  request.max_new_tokens =
      models::room_behind(static_cast<int64_t>(request.prompt.size()), request.max_new_tokens,
                          {context_, "", ", or load the model with a larger `context`"});
  const std::lock_guard lock(mutex_);
  const int64_t vocabulary = weights_->model->spec().vocab_size;
  for (size_t i = 0; i < request.prompt.size(); i++)
    if (request.prompt[i] < 0 || request.prompt[i] >= vocabulary)
      throw Error("ERR_DATA", str("Expected token ids from 0 to ", vocabulary - 1, ", received ",
                                  request.prompt[i], " at ", i));
  if (unended_ >= options_.seats + options_.queue) {
    refused_++;
    throw Error("ERR_QUEUE_FULL",
                str("Expected at most ", options_.seats + options_.queue, " requests at a time (",
                    options_.seats, " that run, ", options_.queue, " that wait), received one more"),
                "Try again when some have ended, or load the model with a larger `queue`.");
  }
  unended_++;
  inbox_.sequences.push_back(
      std::make_unique<Sequence>(next_number_, std::move(request), weights_, weights_->root));
  return next_number_++;
}

void Engine::cancel(int64_t request) {
  const std::lock_guard lock(mutex_);
  inbox_.cancelled.push_back(request);
  news_.notify_one();
}

void Engine::use(std::shared_ptr<const models::Decoder> model) {
  check_model(*model);
  const std::lock_guard lock(mutex_);
  weights_ = std::make_shared<Weights>(Weights{std::move(model), next_root_++});
}

void Engine::acknowledge(int64_t tokens) {
  const std::lock_guard lock(mutex_);
  inbox_.unheard -= tokens;
  news_.notify_one();
}

Stats Engine::stats() const {
  const std::lock_guard lock(mutex_);
  auto stats = stats_;
  stats.waiting = unended_ - stats.running;
  stats.refused = refused_;
  return stats;
}

// ---- the engine's own thread ----------------------------------------------------------------------------

void Engine::run(Audience& audience, const Job& job) {
  const at::NoGradGuard no_grad;
  while (take_in(audience, job)) step(audience, job);
}

// Waits for readers, and takes in what has come meanwhile. Whether anything is left to do.
bool Engine::take_in(Audience& audience, const Job& job) {
  std::vector<int64_t> cancelled;
  {
    std::unique_lock lock(mutex_);
    while (true) {
      job.check();
      if (inbox_.sequences.empty() && scheduler_.running().empty() && scheduler_.waiting().empty())
        return false;
      const bool is_heard = options_.most_unheard <= 0 || inbox_.unheard <= options_.most_unheard;
      if (is_heard || !inbox_.cancelled.empty()) break;
      if (news_.wait_for(lock, kPatience) == std::cv_status::no_timeout) continue;
      // A job posts what it hears at most every 20 ms, and the rest with what it hears next: that is this.
      lock.unlock();
      audience.hear({}, {});
      lock.lock();
    }
    for (auto& sequence : inbox_.sequences) scheduler_.add(std::move(sequence));
    inbox_.sequences.clear();
    cancelled = std::exchange(inbox_.cancelled, {});
  }
  std::vector<End> ends;
  for (const int64_t number : cancelled) end(number, Reason::cancelled, ends);
  if (!ends.empty()) {
    publish_stats();
    audience.hear({}, ends);
  }
  return true;
}

void Engine::step(Audience& audience, const Job& job) {
  const auto start = Clock::now();
  const double rows_in_time = seconds_per_row_ > 0 ? options_.step_seconds / seconds_per_row_ : 0;
  const auto works = scheduler_.plan(
      std::clamp(static_cast<int64_t>(std::min(rows_in_time, 1e6)), kFewestPrefillRows, kMostPrefillRows));
  if (works.empty()) return;
  std::vector<End> ends;
  try {
    const auto logits_RV = next_logits(works, job);
    scheduler_.done(works);
    int64_t rows = 0;
    for (const auto& work : works) rows += work.count;
    const double seconds = seconds_since(start);
    if (rows >= kFewestPrefillRows) seconds_per_row_ = seconds / static_cast<double>(rows);
    std::vector<Work> ready;
    std::copy_if(works.begin(), works.end(), std::back_inserter(ready),
                 [](const Work& w) { return w.is_ready(); });
    totals_.steps++;
    totals_.busy_seconds += seconds;
    choose(ready, logits_RV, ends, audience);
  } catch (const Cancelled&) { throw; } catch (...) {
    const auto error = error_of_step();
    for (End& end : ends) end.reason = Reason::failed, end.error = error;  // nobody has heard of it
    for (const int64_t number : numbers_of(works)) end(number, Reason::failed, ends, error);
    publish_stats();
    audience.hear({}, ends);
  }
}

// Of the sequences that are ready, in their order, float32. One forward pass for each of the weights in use.
at::Tensor Engine::next_logits(const std::vector<Work>& step, const Job& job) {
  const kernels::RowwiseScope each_row_alone;
  std::vector<const Weights*> all;
  for (const auto& work : step)
    if (std::find(all.begin(), all.end(), work.sequence->weights.get()) == all.end())
      all.push_back(work.sequence->weights.get());
  std::vector<at::Tensor> parts;
  std::vector<int64_t> places;  // of the parts' rows among those that are ready
  for (const auto* weights : all) {
    const auto rows = std::make_shared<kernels::PagedRows>();
    std::vector<int64_t> ids, last;
    int64_t ready = 0;
    for (const auto& [sequence, first, count] : step) {
      const bool is_ready = first + count == sequence->size();
      if (sequence->weights.get() == weights) {
        const auto first_page = static_cast<int64_t>(rows->pages.size());
        rows->pages.insert(rows->pages.end(), sequence->pages.begin(), sequence->pages.end());
        for (int64_t place = first; place < first + count; place++) {
          rows->rows.push_back({first_page, place});
          ids.push_back(sequence->tokens[static_cast<size_t>(place)]);
        }
        if (is_ready) last.push_back(static_cast<int64_t>(ids.size()) - 1), places.push_back(ready);
      }
      ready += is_ready;
    }
    const auto hidden_M1D =
        weights->model->paged_hidden(at::tensor(ids, at::kLong).unsqueeze(1), rows, table_, pool_, &job);
    if (!last.empty())
      parts.push_back(
          weights->model->logits(hidden_M1D.squeeze(1).index_select(0, at::tensor(last, at::kLong)))
              .to(at::kFloat));
  }
  if (parts.size() < 2) return parts.empty() ? at::Tensor() : parts.front();
  return at::empty_like(at::cat(parts)).index_copy_(0, at::tensor(places, at::kLong), at::cat(parts));
}

void Engine::choose(const std::vector<Work>& ready, const at::Tensor& logits_RV, std::vector<End>& ends,
                    Audience& audience) {
  std::vector<Token> chosen(ready.size());
  std::vector<std::optional<Error>> errors(ready.size());
  at::parallel_for(0, static_cast<int64_t>(ready.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); i++) {
      const int64_t vocabulary = logits_RV.size(1);
      float* const logits = logits_RV.data_ptr<float>() + static_cast<int64_t>(i) * vocabulary;
      try {
        chosen[i] = choose_token(*ready[i].sequence, {logits, static_cast<size_t>(vocabulary)});
      } catch (const Error& error) { errors[i] = error; }
    }
  });
  std::vector<Token> tokens;
  for (size_t i = 0; i < ready.size(); i++) {
    auto& sequence = *ready[i].sequence;
    const auto& stop = sequence.request.stop_ids;
    if (errors[i]) {
      end(sequence.number, Reason::failed, ends, errors[i]);
    } else if (std::find(stop.begin(), stop.end(), chosen[i].id) != stop.end()) {
      end(sequence.number, Reason::stop, ends);
    } else if (sequence.request.max_new_tokens == 0) {
      end(sequence.number, Reason::length, ends);
    } else {
      sequence.tokens.push_back(chosen[i].id);
      tokens.push_back(std::move(chosen[i]));
      if (sequence.new_tokens() >= sequence.request.max_new_tokens)
        end(sequence.number, Reason::length, ends);
    }
  }
  totals_.new_tokens += static_cast<int64_t>(tokens.size());
  publish_stats();
  {
    const std::lock_guard lock(mutex_);
    inbox_.unheard += static_cast<int64_t>(tokens.size());
  }
  if (!tokens.empty() || !ends.empty()) audience.hear(tokens, ends);
}

void Engine::end(int64_t number, Reason reason, std::vector<End>& ends, std::optional<Error> error) {
  const auto sequence = scheduler_.remove(number);
  if (!sequence) return;  // it has ended before
  const auto usage = usage_of(*sequence);
  ends.push_back({number, reason, usage, std::move(error)});
  totals_.ended++;
  totals_.prompt_tokens += usage.prompt_tokens;
  totals_.cached_tokens += usage.cached_tokens;
}

void Engine::publish_stats() {
  auto stats = totals_;
  stats.running = static_cast<int64_t>(scheduler_.running().size());
  stats.pages = scheduler_.pages().count();
  stats.pages_kept = scheduler_.kept_pages();
  stats.pages_in_use = scheduler_.pages_in_use();
  stats.page_size = kernels::kPageSize;
  stats.context = context_;
  stats.unseated = scheduler_.unseatings();
  const std::lock_guard lock(mutex_);
  unended_ -= stats.ended - stats_.ended;
  stats_ = stats;
}

}  // namespace tongueforge::serve

// Letters: B batch, T time, D model, M targets.
#include "score/likelihood.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>

#include "core/error.h"
#include "kernels/aten.h"
#include "kernels/target_scores.h"
#include "models/token_rows.h"
#include "score/shared_prefixes.h"

namespace tongueforge::score {
namespace {

constexpr int64_t kCpuTokens = 2048, kGpuTokens = 16384;
constexpr int64_t kCopiedTokens = 8;  // of a shared beginning, for each token of a batch: bounds its memory

using Ids = std::span<const int32_t>;

/// What the model reads: a row without its last token, for all requests that begin so.
struct ReadRow {
  Ids ids;
  std::vector<size_t> requests;
};

/// Places whose hidden states foretell a continuation, collected until the head sees them.
struct Targets {
  std::vector<int64_t> places, tokens;
  std::vector<size_t> requests;

  /// Of a row whose token number `skipped` stands at `place`.
  void add(const ReadRow& row, int64_t skipped, int64_t place, const std::vector<LikelihoodRequest>& all) {
    for (const auto index : row.requests) {
      const auto& request = all[index];
      for (int64_t i = request.first_target; i < static_cast<int64_t>(request.ids.size()); i++) {
        places.push_back(place + i - 1 - skipped);
        tokens.push_back(request.ids[i]);
        requests.push_back(index);
      }
    }
  }
};

class Scorer {
 public:
  Scorer(const models::Decoder& model, const std::vector<LikelihoodRequest>& requests, int64_t batch_tokens,
         Job& job)
      : model_(model),
        requests_(requests),
        // Where the rotation of a place depends on how long the row is, each row is read for itself.
        alone_(model.spec().rope.kind == nn::RopeKind::dynamic),
        batch_tokens_(alone_ ? 1 : batch_tokens),
        job_(job),
        results_(requests.size()) {}

  std::vector<Likelihood> run() {
    collect_rows();
    std::vector<PrefixedRow> prefixed;
    for (const auto& row : rows_) prefixed.push_back({row.ids, alone_ ? 0 : most_shared(row)});
    for (auto& group : prefix_groups(prefixed)) {
      longest_first(group.rows);
      if (group.shared > 0)
        read_group(group);
      else
        read_packed(group.rows);
    }
    return std::move(results_);
  }

 private:
  void collect_rows() {
    const auto before = [](Ids a, Ids b) { return std::ranges::lexicographical_compare(a, b); };
    std::map<Ids, size_t, decltype(before)> known(before);
    for (size_t i = 0; i < requests_.size(); i++) {
      const Ids read = Ids(requests_[i].ids).first(requests_[i].ids.size() - 1);
      const auto [it, is_new] = known.emplace(read, rows_.size());
      if (is_new) rows_.push_back({read, {}});
      rows_[it->second].requests.push_back(i);
    }
  }

  // The place before the first target has to be computed for the row itself.
  int64_t most_shared(const ReadRow& row) const {
    int64_t first = requests_[row.requests[0]].first_target;
    for (const auto index : row.requests) first = std::min(first, requests_[index].first_target);
    return first - 1;
  }

  void longest_first(std::vector<int64_t>& rows) const {
    std::ranges::sort(rows, [&](int64_t a, int64_t b) {
      const auto left = rows_[a].ids.size(), right = rows_[b].ids.size();
      return left != right ? left > right : a < b;
    });
  }

  /// Neighbours, as many as `fits` says: body(first, behind the last).
  template <class Fits, class Body>
  void in_batches(const std::vector<int64_t>& rows, const Fits& fits, const Body& body) {
    for (size_t begin = 0; begin < rows.size();) {
      size_t end = begin + 1;
      while (end < rows.size() && fits(begin, end)) end++;
      job_.check();
      body(std::span(rows).subspan(begin, end - begin));
      begin = end;
    }
  }

  void read_packed(const std::vector<int64_t>& rows) {
    int64_t tokens = 0;
    size_t batch = rows.size();
    const auto fits = [&](size_t begin, size_t end) {
      const auto length = [&](size_t i) { return static_cast<int64_t>(rows_[rows[i]].ids.size()); };
      if (batch != begin) tokens = length(begin);
      batch = begin;
      tokens += length(end);
      return tokens <= batch_tokens_;
    };
    in_batches(rows, fits, [&](std::span<const int64_t> some) { read_packed_batch(some); });
  }

  void read_packed_batch(std::span<const int64_t> rows) {
    std::vector<int64_t> ids, segments;
    Targets targets;
    for (size_t i = 0; i < rows.size(); i++) {
      const auto& row = rows_[rows[i]];
      targets.add(row, 0, static_cast<int64_t>(ids.size()), requests_);
      ids.insert(ids.end(), row.ids.begin(), row.ids.end());
      segments.insert(segments.end(), row.ids.size(), static_cast<int64_t>(i));
    }
    const auto as_row = [](const std::vector<int64_t>& numbers) {
      return at::tensor(numbers, at::kLong).unsqueeze(0);
    };
    add_scores(model_.hidden_packed({as_row(ids), as_row(segments)}, &job_), targets);
  }

  void read_group(const PrefixGroup& group) {
    const auto beginning = rows_[group.rows[0]].ids.first(group.shared);
    auto prefix = model_.make_cache(1, group.shared);
    model_.hidden(models::stack_rows({{beginning.begin(), beginning.end()}}), &prefix, &job_);
    const auto fits = [&](size_t begin, size_t end) {
      const auto batch = static_cast<int64_t>(end + 1 - begin);
      const auto longest = static_cast<int64_t>(rows_[group.rows[begin]].ids.size());
      return batch * (longest - group.shared) <= batch_tokens_ &&
             batch * longest <= kCopiedTokens * batch_tokens_;
    };
    in_batches(group.rows, fits, [&](std::span<const int64_t> some) { read_after(prefix, some); });
  }

  // What follows the beginning of each row, filled up to the longest: what comes after a row, it does not
  // see.
  void read_after(const models::DecoderCache& prefix, std::span<const int64_t> rows) {
    const int64_t shared = prefix.length;
    const auto time = static_cast<int64_t>(rows_[rows[0]].ids.size()) - shared;
    std::vector<std::vector<int32_t>> padded;
    Targets targets;
    for (size_t i = 0; i < rows.size(); i++) {
      const auto& row = rows_[rows[i]];
      targets.add(row, shared, static_cast<int64_t>(i) * time, requests_);
      padded.emplace_back(row.ids.begin() + shared, row.ids.end()).resize(time, 0);
    }
    auto cache = model_.make_cache(static_cast<int64_t>(rows.size()), shared + time);
    for (size_t layer = 0; layer < cache.layers.size(); layer++) {
      const auto copy = [&](const at::Tensor& to, const at::Tensor& from) {
        to.narrow(2, 0, shared).copy_(from.narrow(2, 0, shared).expand({to.size(0), -1, -1, -1}));
      };
      copy(cache.layers[layer].k_BKSH, prefix.layers[layer].k_BKSH);
      copy(cache.layers[layer].v_BKSH, prefix.layers[layer].v_BKSH);
    }
    cache.length = shared;
    add_scores(model_.hidden(models::stack_rows(padded), &cache, &job_), targets);
  }

  void add_scores(const at::Tensor& hidden_BTD, const Targets& targets) {
    const auto places_M = at::tensor(targets.places, at::kLong).to(hidden_BTD.device());
    const auto hidden_MD = hidden_BTD.flatten(0, 1).index_select(0, places_M);
    const auto scores = kernels::target_scores(hidden_MD, model_.head(),
                                               at::tensor(targets.tokens, at::kLong), {.job = &job_});
    const auto log_probs = scores.log_probs.to(at::kCPU, at::kDouble), is_best = scores.is_best.cpu();
    const auto* log_prob = log_probs.const_data_ptr<double>();
    const auto* best = is_best.const_data_ptr<bool>();
    for (size_t i = 0; i < targets.requests.size(); i++) {
      auto& result = results_[targets.requests[i]];
      result.log_likelihood += log_prob[i];
      result.is_greedy = result.is_greedy && best[i];
      if (i > 0 && targets.requests[i] == targets.requests[i - 1]) continue;
      done_++;
    }
    job_.progress(Value::Map{{"done", done_}, {"total", static_cast<int64_t>(requests_.size())}});
  }

  const models::Decoder& model_;
  const std::vector<LikelihoodRequest>& requests_;
  const bool alone_;
  const int64_t batch_tokens_;
  Job& job_;
  std::vector<ReadRow> rows_;
  std::vector<Likelihood> results_;
  int64_t done_ = 0;
};

void check_requests(const std::vector<LikelihoodRequest>& requests, const models::DecoderSpec& spec) {
  for (size_t i = 0; i < requests.size(); i++) {
    const auto length = static_cast<int64_t>(requests[i].ids.size());
    const int64_t first = requests[i].first_target;
    if (first < 1 || first >= length)
      throw Error("ERR_DATA", str("Expected a context and a continuation in request ", i, ", received ",
                                  length, " tokens of which ", first, " are context"));
    if (length - 1 > spec.max_positions)
      throw Error("ERR_DATA",
                  str("Expected at most ", spec.max_positions, " positions in request ", i, ", received ",
                      length - 1),
                  "Cut contexts from the left.");
    models::check_token_rows({requests[i].ids}, spec.vocab_size);
  }
}

}  // namespace

std::vector<Likelihood> likelihoods(const models::Decoder& model,
                                    const std::vector<LikelihoodRequest>& requests,
                                    const LikelihoodOptions& options, Job& job) {
  const at::NoGradGuard no_grad;
  check_requests(requests, model.spec());
  const int64_t chosen = model.device().is_cpu() ? kCpuTokens : kGpuTokens;
  auto results = Scorer(model, requests, options.batch_tokens > 0 ? options.batch_tokens : chosen, job).run();
  for (size_t i = 0; i < results.size(); i++)
    if (!std::isfinite(results[i].log_likelihood))
      throw Error(
          "ERR_NON_FINITE",
          str("Expected a finite log-likelihood of request ", i, ", received ", results[i].log_likelihood),
          "The weights hold NaN or infinity, or overflow in this dtype: try --dtype float32.");
  return results;
}

}  // namespace tongueforge::score

#include "probe/fit.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/random.h"
#include "kernels/aten.h"
#include "probe/adam.h"

namespace tongueforge::probe {
namespace {

/// Rows whose logits are in memory at once, unless one utterance has more.
constexpr int64_t kRows = 4096;

/// Examples that go through together: their rows stand one after the other.
struct Chunk {
  std::vector<int64_t> examples;
  std::vector<Stretch> stretches;
  int64_t rows = 0;
};

std::vector<Chunk> chunks_of(const States& states, const Examples& examples,
                             const std::vector<int64_t>& order) {
  std::vector<Chunk> all;
  for (const int64_t example : order) {
    const auto& stretch = states.of(examples.utterances[static_cast<size_t>(example)]);
    if (all.empty() || all.back().rows + stretch.count > kRows) all.emplace_back();
    all.back().examples.push_back(example);
    all.back().stretches.push_back(stretch);
    all.back().rows += stretch.count;
  }
  return all;
}

/// Calls `use(place in the chunk, its logits)` for each example of a chunk, on several threads.
template <class Use>
void for_examples(const Chunk& chunk, const at::Tensor& logits_MC, const Use& use) {
  std::vector<int64_t> first(chunk.stretches.size());
  for (size_t i = 1; i < first.size(); i++) first[i] = first[i - 1] + chunk.stretches[i - 1].count;
  auto* const logits = logits_MC.data_ptr<double>();
  const int64_t classes = logits_MC.size(1);
  at::parallel_for(0, static_cast<int64_t>(first.size()), 1, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) use(static_cast<size_t>(i), logits + first[i] * classes);
  });
}

std::vector<int64_t> all_of(const Examples& examples) {
  std::vector<int64_t> order(examples.utterances.size());
  std::iota(order.begin(), order.end(), 0);
  return order;
}

/// Which examples a step takes.
class Batches {
 public:
  Batches(int64_t examples, int64_t size, uint64_t seed)
      : order_(static_cast<size_t>(examples)), size_(size), random_(seed) {
    std::iota(order_.begin(), order_.end(), 0);
    if (size_ == 0 || size_ >= examples) size_ = 0;
  }

  /// What is left of an epoch makes its last batch.
  std::vector<int64_t> next() {
    if (size_ == 0) return order_;
    if (at_ == 0) shuffle();
    const size_t end = std::min(at_ + static_cast<size_t>(size_), order_.size());
    const std::vector<int64_t> batch(order_.begin() + static_cast<std::ptrdiff_t>(at_),
                                     order_.begin() + static_cast<std::ptrdiff_t>(end));
    at_ = end == order_.size() ? 0 : end;
    return batch;
  }

 private:
  void shuffle() {
    for (size_t i = order_.size() - 1; i > 0; i--)
      std::swap(order_[i], order_[static_cast<size_t>(random_.uniform() * static_cast<double>(i + 1))]);
  }

  std::vector<int64_t> order_;
  int64_t size_;
  size_t at_ = 0;
  Random random_;
};

int64_t terms_of(const Objective& objective, const Examples& examples, const std::vector<int64_t>& order) {
  int64_t terms = 0;
  for (const int64_t example : order)
    terms += objective.terms(examples.targets[static_cast<size_t>(example)]);
  return terms;
}

std::span<double> numbers(const at::Tensor& all) {
  return {all.data_ptr<double>(), static_cast<size_t>(all.numel())};
}

}  // namespace

Loss batch_loss(const Head& head, const Objective& objective, const States& states, const Examples& examples,
                const std::vector<int64_t>& order, int64_t divisor, Parameters* gradient, Job& job) {
  Loss loss{0, terms_of(objective, examples, order)};
  for (const auto& chunk : chunks_of(states, examples, order)) {
    job.check();
    const auto mixed_MD = head.mixed(chunk.stretches);
    const auto logits_MC = head.logits(mixed_MD);
    std::vector<double> sums(chunk.examples.size());
    for_examples(chunk, logits_MC, [&](size_t i, double* logits) {
      const auto& target = examples.targets[static_cast<size_t>(chunk.examples[i])];
      sums[i] =
          objective.loss(logits, chunk.stretches[i].count, logits_MC.size(1), target, gradient != nullptr);
    });
    for (const double sum : sums) loss.sum += sum;
    if (!gradient) continue;
    logits_MC.div_(static_cast<double>(divisor));  // by now its gradient
    head.backward(chunk.stretches, mixed_MD, logits_MC, *gradient);
  }
  return loss;
}

std::vector<double> fit(Head& head, const Objective& objective, const States& states,
                        const Examples& examples, const FitOptions& options, Job& job) {
  auto& parameters = head.parameters;
  const auto layers = parameters.scores_L.numel(), matrix = parameters.weight_CD.numel();
  Parameters gradient(layers, states.width(), options.classes);
  Adam adam(numbers(parameters.all).size());
  Batches batches(static_cast<int64_t>(examples.utterances.size()), options.batch_size, options.seed);
  std::vector<double> course;
  for (int64_t step = 0; step < options.steps; step++) {
    const auto order = batches.next();
    const int64_t terms = std::max<int64_t>(terms_of(objective, examples, order), 1);
    gradient.all.zero_();
    course.push_back(batch_loss(head, objective, states, examples, order, terms, &gradient, job).sum /
                     static_cast<double>(terms));
    adam.step(numbers(parameters.all), numbers(gradient.all), options.lr, options.weight_decay,
              static_cast<size_t>(layers), static_cast<size_t>(layers + matrix));
    job.progress(Value::Map{{"done", step + 1}, {"total", options.steps}});
  }
  return course;
}

Judgement judge(const Head& head, const Objective& objective, const States& states, const Examples& examples,
                Job& job) {
  const auto order = all_of(examples);
  Judgement judgement;
  judgement.predictions.resize(order.size());
  double sum = 0;
  for (const auto& chunk : chunks_of(states, examples, order)) {
    job.check();
    const auto logits_MC = head.logits(head.mixed(chunk.stretches));
    std::vector<double> sums(chunk.examples.size());
    for_examples(chunk, logits_MC, [&](size_t i, double* logits) {
      const auto example = static_cast<size_t>(chunk.examples[i]);
      const int64_t rows = chunk.stretches[i].count, classes = logits_MC.size(1);
      judgement.predictions[example] = objective.prediction(logits, rows, classes);
      sums[i] = objective.loss(logits, rows, classes, examples.targets[example], false);
    });
    for (const double one : sums) sum += one;
  }
  judgement.loss = sum / static_cast<double>(std::max<int64_t>(terms_of(objective, examples, order), 1));
  return judgement;
}

}  // namespace tongueforge::probe

// Trainers of several processes, which are threads here: the numbers of one trainer.
#include <filesystem>

#include "core/error.h"
#include "distributed/ranks.h"
#include "doctest.h"
#include "train/fixtures.h"

using namespace tongueforge;
using namespace tongueforge::test;
using distributed::Group;

namespace {

constexpr int64_t kSteps = 5;

// Rows with unequal numbers of targets, some with none: a mean of means would differ.
train::Batch batch_of(int64_t step) {
  auto batch = random_batch(4, 12, static_cast<uint64_t>(20 + step));
  batch.labels_BT[1].slice(0, 4).fill_(-100);
  batch.labels_BT[3].fill_(-100);
  return batch;
}

train::TrainerOptions together(const std::shared_ptr<Group>& group, int64_t bucket_bytes,
                               bool share_state = false) {
  auto options = kOptions;
  options.together = {group, bucket_bytes, share_state};
  return options;
}

// The rows of a process, each a micro-batch.
std::vector<train::Batch> share_of(const train::Batch& batch, const Group& group) {
  std::vector<train::Batch> rows;
  for (int64_t row = 4 * group.rank() / group.size(); row < 4 * (group.rank() + 1) / group.size(); row++)
    rows.push_back(row_of(batch, row));
  return rows;
}

struct Trained {
  std::vector<train::StepResult> steps;
  at::Tensor weights;
};

Trained trained_alone() {
  SilentJob job;
  Trained trained;
  train::Trainer trainer(test::tiny_decoder(), kOptions);
  for (int64_t step = 0; step < kSteps; step++)
    trained.steps.push_back(trainer.step({batch_of(step)}, {.lr = 0.01, .clip = 0.5, .step = step}, job));
  trained.weights = all_weights(trainer).clone();
  return trained;
}

// Of each process.
std::vector<Trained> trained_together(int size, int64_t bucket_bytes, bool share_state = false) {
  std::vector<Trained> all(static_cast<size_t>(size));
  in_group(size, [&](const std::shared_ptr<Group>& group) {
    SilentJob job;
    auto& trained = all[static_cast<size_t>(group->rank())];
    train::Trainer trainer(test::tiny_decoder(), together(group, bucket_bytes, share_state));
    for (int64_t step = 0; step < kSteps; step++)
      trained.steps.push_back(
          trainer.step(share_of(batch_of(step), *group), {.lr = 0.01, .clip = 0.5, .step = step}, job));
    trained.weights = all_weights(trainer).clone();
  });
  return all;
}

}  // namespace

TEST_CASE("how many processes an update is dealt out to changes neither loss nor update, nor do buckets") {
  const auto alone = trained_alone();
  for (const int size : {2, 4}) {
    for (const int64_t bucket_bytes : {int64_t{1}, int64_t{20000}, int64_t{1} << 30}) {
      CAPTURE(size);
      CAPTURE(bucket_bytes);
      const auto all = trained_together(size, bucket_bytes);
      for (const auto& trained : all) {
        CHECK(trained.weights.equal(all[0].weights));
        for (size_t step = 0; step < kSteps; step++) {
          CHECK(trained.steps[step].loss == all[0].steps[step].loss);
          CHECK(trained.steps[step].loss == doctest::Approx(alone.steps[step].loss).epsilon(1e-5));
          CHECK(trained.steps[step].grad_norm == doctest::Approx(alone.steps[step].grad_norm).epsilon(1e-4));
          CHECK(trained.steps[step].tokens == alone.steps[step].tokens);
        }
      }
      CHECK((all[0].weights - alone.weights).abs().mean().item<double>() < 1e-6);
    }
  }
}

TEST_CASE("where one process is told to stop, none takes the step") {
  in_group(2, [](const std::shared_ptr<Group>& group) {
    SilentJob job;
    train::Trainer trainer(test::tiny_decoder(), together(group, 20000));
    const auto before = all_weights(trainer).clone();
    train::StepOptions options = {.lr = 0.01};
    options.real_tokens = 7;
    options.stop = group->rank() == 1;
    const auto result = trainer.step(share_of(batch_of(0), *group), options, job);
    CHECK(result.refused == "stop");
    CHECK(all_weights(trainer).equal(before));
    options.stop = false;
    CHECK(trainer.step(share_of(batch_of(0), *group), options, job).refused.empty());
    CHECK(trainer.step(share_of(batch_of(0), *group), options, job).real_tokens == 14);
  });
}

TEST_CASE("gradients of all processes together; nothing to learn in any of them is an error in each") {
  SilentJob job;
  train::Trainer alone(test::tiny_decoder(), kOptions);
  const auto expected = alone.gradients({batch_of(0)}, job);
  in_group(2, [&](const std::shared_ptr<Group>& group) {
    SilentJob own_job;
    train::Trainer trainer(test::tiny_decoder(), together(group, 20000));
    const auto gradients = trainer.gradients(share_of(batch_of(0), *group), own_job);
    for (size_t i = 0; i < gradients.size(); i++)
      CHECK(at::allclose(gradients[i].second, expected[i].second, 1e-4, 1e-7));
    auto empty = batch_of(0);
    empty.labels_BT.fill_(-100);
    CHECK_THROWS_WITH(trainer.step(share_of(empty, *group), {.lr = 0.01}, own_job),
                      doctest::Contains("at least one target token"));
  });
}

TEST_CASE("gradients leave while the backward pass goes on, and a recomputed block's do too") {
  for (const bool recompute : {false, true}) {
    in_group(2, [&](const std::shared_ptr<Group>& group) {
      SilentJob job;
      auto options = together(group, 1);
      options.recompute_blocks = recompute;
      train::Trainer trainer(test::tiny_decoder(), options);
      const auto rows = share_of(batch_of(0), *group);
      const auto result = trainer.step(rows, {.lr = 0.01}, job);
      CHECK(std::isfinite(result.loss));
      // Of the last backward pass: a process whose last row has no target sends nothing early.
      const auto sent = trainer.sync()->sent_early();
      CHECK((group->rank() == 0 ? sent > 5 : sent == 0));
    });
  }
}

TEST_CASE(
    "a state that is shared out gives the numbers of one that is not, and takes its part of the memory") {
  const auto moments = [](const train::Trainer& trainer) { return trainer.bytes(); };
  train::Trainer alone(test::tiny_decoder(), kOptions);
  for (const int size : {2, 4}) {
    const auto whole = trained_together(size, 20000), shared = trained_together(size, 20000, true);
    for (const auto& trained : shared) {
      CHECK(trained.weights.equal(shared[0].weights));
      for (size_t step = 0; step < kSteps; step++)
        CHECK(trained.steps[step].loss == doctest::Approx(whole[0].steps[step].loss).epsilon(1e-6));
    }
    CHECK((shared[0].weights - whole[0].weights).abs().max().item<double>() < 1e-6);
    in_group(size, [&](const std::shared_ptr<Group>& group) {
      const train::Trainer all(test::tiny_decoder(), together(group, 20000));
      const train::Trainer part(test::tiny_decoder(), together(group, 20000, true));
      const auto weights = static_cast<int64_t>(all_weights(all).nbytes());
      const auto saved = moments(all) - moments(part);
      // Both moments of the elements of others; shares are rounded to 64 bytes a bucket.
      CHECK(saved > 2 * weights * (size - 1) / size * 0.9);
      CHECK(saved < 2 * weights * (size - 1) / size * 1.1 + 2000);
    });
  }
}

TEST_CASE(
    "a shared state is saved as one file, the same as without, and taken over by any number of processes") {
  SilentJob job;
  const auto folder = std::filesystem::temp_directory_path() / str("tongueforge-shared-", getpid());
  std::filesystem::create_directory(folder);
  const auto file = [&](const std::string& name) { return (folder / name).string(); };
  const auto train_steps = [](train::Trainer& trainer, const Group& group, int64_t from, int64_t to) {
    SilentJob own_job;
    for (int64_t step = from; step < to; step++)
      trainer.step(share_of(batch_of(step), group), {.lr = 0.01, .step = step}, own_job);
  };
  const auto save = [](const train::Trainer& trainer, const Group& group, const std::string& path) {
    SilentJob own_job;
    if (group.leads())
      trainer.save_state(path, own_job);
    else
      trainer.send_state(own_job);
  };
  for (const bool share : {false, true}) {
    in_group(2, [&](const std::shared_ptr<Group>& group) {
      train::Trainer trainer(test::tiny_decoder(), together(group, 20000, share));
      train_steps(trainer, *group, 0, 3);
      save(trainer, *group, file(share ? "shared" : "whole"));
      train_steps(trainer, *group, 3, 5);
      save(trainer, *group, file(share ? "shared-end" : "whole-end"));
    });
  }
  const auto compared = [&](const std::string& a, const std::string& b) {
    const auto of = models::load_tensors(file(a), job), other = models::load_tensors(file(b), job);
    REQUIRE(of.size() == other.size());
    double largest = 0;
    for (size_t i = 0; i < of.size(); i++) {
      CHECK(of[i].first == other[i].first);
      REQUIRE(of[i].second.sizes() == other[i].second.sizes());
      const auto apart = (of[i].second.to(at::kDouble) - other[i].second.to(at::kDouble)).abs().max();
      largest = std::max(largest, apart.item<double>());
    }
    return largest;
  };
  CHECK(compared("shared", "whole") < 1e-6);
  CHECK(compared("shared-end", "shared") > 1e-4);

  for (const int size : {2, 4}) {
    in_group(size, [&](const std::shared_ptr<Group>& group) {
      SilentJob own_job;
      train::Trainer trainer(test::tiny_decoder(), together(group, 20000, true));
      trainer.load_state(file("shared"), own_job);
      train_steps(trainer, *group, 3, 5);
      save(trainer, *group, file(str("resumed-", size)));
    });
  }
  CHECK(compared("resumed-2", "shared-end") == 0);  // as never stopped
  CHECK(compared("resumed-4", "shared-end") < 1e-5);
  std::filesystem::remove_all(folder);
}

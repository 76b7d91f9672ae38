// NCCL as far as one GPU shows it: a world of one, since it refuses a GPU that two processes share.
#include "distributed/ranks.h"
#include "kernels/aten.h"
#include "train/gpu_settings.h"

// Last: libtorch has a CHECK of its own, which ends the program.
#include "doctest.h"

using namespace tongueforge;
using namespace tongueforge::test;
using distributed::Group;

namespace {

constexpr int kOneMinute = 60000;

struct Trained {
  std::vector<train::StepResult> steps;
  at::Tensor weights;
};

Trained trained(at::Device device, const train::TogetherOptions& together) {
  const auto model = on(tiny_decoder(), device);
  auto options = gpu_options();
  options.deterministic = true;
  options.together = together;
  train::Trainer trainer(model, options);
  Trained all{updates(trainer, settings().front(), 0, 10), {}};
  all.weights = all_weights(trainer).cpu().clone();
  return all;
}

}  // namespace

TEST_CASE("cuda: NCCL in a world of one sums, gathers and gives, on the tensors of the GPU") {
  const auto device = gpu();
  if (!device) return;
  in_group(
      1,
      [&](const std::shared_ptr<Group>& group) {
        SilentJob job;
        const auto given = at::randn({1001}), tensor = given.to(*device);
        group->wait(group->all_reduce(tensor), job);
        group->wait(group->broadcast(tensor, 0), job);
        const std::vector<at::Tensor> pieces = {at::empty_like(tensor)};
        group->wait(group->all_gather(pieces, tensor), job);
        CHECK(pieces[0].cpu().equal(given));
      },
      kOneMinute, /*nccl=*/true);
}

TEST_CASE(
    "cuda: a training of one process over NCCL ends with the weights of one alone, its state shared or not") {
  const auto device = gpu();
  if (!device) return;
  const auto alone = trained(*device, {});
  for (const bool share_state : {false, true}) {
    CAPTURE(share_state);
    in_group(
        1,
        [&](const std::shared_ptr<Group>& group) {
          const auto over_nccl = trained(*device, {group, /*bucket_bytes=*/2000, share_state});
          for (size_t i = 0; i < alone.steps.size(); i++) {
            CHECK(over_nccl.steps[i].loss == doctest::Approx(alone.steps[i].loss).epsilon(1e-6));
            CHECK(over_nccl.steps[i].grad_norm == doctest::Approx(alone.steps[i].grad_norm).epsilon(1e-5));
          }
          CHECK((over_nccl.weights - alone.weights).abs().max().item<double>() < 1e-6);
        },
        kOneMinute, /*nccl=*/true);
  }
}

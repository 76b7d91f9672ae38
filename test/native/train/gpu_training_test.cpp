// Training on a GPU, held against the same training on the CPU.
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>

#include "gpu.h"
#include "kernels/device_memory.h"
#include "models/adapters.h"
#include "models/tiny_decoder.h"
#include "models/tiny_encoder.h"
#include "train/fixtures.h"

using namespace tongueforge;
using namespace tongueforge::test;

namespace {

using ModelPtr = std::shared_ptr<models::Model>;

/// A training of ten updates.
struct Setting {
  const char* name;
  int64_t accumulation = 1;  // micro-batches
  std::function<void(train::TrainerOptions&)> change = [](train::TrainerOptions&) {};
  std::function<ModelPtr()> model = [] { return tiny_decoder(); };
  train::Batch (*batch)(uint64_t seed) = packed_batch;
  double dropout = -1;  // of adapters on a frozen model; negative: there are none
};

// Gradients near zero make steps of either sign in Adam's first updates: eps keeps them small.
train::TrainerOptions gpu_options() {
  auto options = kOptions;
  options.optimizer.eps = 1e-5;
  options.seed = 3;
  return options;
}

ModelPtr on(ModelPtr model, at::Device device) {
  models::move_to(*model, device);
  return model;
}

train::TrainerOptions options_of(const Setting& setting, models::Model& model, at::Device device) {
  auto options = gpu_options();
  if (setting.dropout >= 0) {
    for (const auto& parameter : model.parameters()) options.frozen.insert(parameter.name);
    models::attach_adapters(model,
                            {{"model.layers.0.mlp.up_proj", 4, 2}, {"model.layers.1.self_attn.q_proj", 4, 2}},
                            setting.dropout, 1);
    for (const auto& parameter : models::adapter_parameters(model)) parameter.tensor->add_(0.1);
  }
  setting.change(options);
  if (const auto& teacher = options.loss.distillation.teacher)
    models::move_to(const_cast<models::Model&>(*teacher), device);
  return options;
}

train::Batch rows_of(const train::Batch& batch, int64_t begin, int64_t end) {
  const auto pick = [&](const at::Tensor& t) { return t.slice(0, begin, end); };
  train::Batch rows = {pick(batch.ids_BT), pick(batch.labels_BT), pick(batch.segments_BT)};
  if (batch.reference_S.defined()) rows.reference_S = batch.reference_S.slice(0, 2 * begin, 2 * end);
  return rows;
}

// The same rows, however they are cut.
std::vector<train::Batch> cut(const train::Batch& batch, int64_t accumulation) {
  const int64_t rows = batch.ids_BT.size(0) / accumulation;
  std::vector<train::Batch> all;
  for (int64_t i = 0; i < accumulation; i++) all.push_back(rows_of(batch, i * rows, (i + 1) * rows));
  return all;
}

std::vector<train::StepResult> updates(train::Trainer& trainer, const Setting& setting, int64_t first,
                                       int64_t count) {
  SilentJob job;
  std::vector<train::StepResult> results;
  for (int64_t step = first; step < first + count; step++) {
    const auto batches = cut(setting.batch(static_cast<uint64_t>(step)), setting.accumulation);
    results.push_back(trainer.step(batches, {.lr = 0.005, .clip = 1, .step = step}, job));
  }
  return results;
}

std::vector<train::StepResult> trained_on(at::Device device, const Setting& setting) {
  const auto model = on(setting.model(), device);
  train::Trainer trainer(model, options_of(setting, *model, device));
  return updates(trainer, setting, 0, 10);
}

train::Batch four_rows(uint64_t seed) {
  const auto a = packed_batch(2 * seed), b = packed_batch(2 * seed + 1);
  return {at::cat({a.ids_BT, b.ids_BT}), at::cat({a.labels_BT, b.labels_BT}),
          at::cat({a.segments_BT, b.segments_BT})};
}

void use_adafactor(train::TrainerOptions& options) { options.optimizer.kind = "adafactor"; }

std::vector<Setting> settings() {
  using Options = train::TrainerOptions;
  const auto teacher = [](const std::function<ModelPtr()>& make) {
    return [make](Options& options) {
      options.loss.kind = "distillation";
      options.loss.distillation.teacher = make();
      options.loss.distillation.mix = {.temperature = 2, .alpha = 0.5};
      options.loss.distillation.hidden = {{{0, 0}, {1, 1}, {2, 2}}, 0.7, 0.9, 3};
    };
  };
  const auto wide = []() -> ModelPtr {
    auto spec = tiny_spec();
    spec.hidden_size = 32;
    return tiny_decoder(spec, 11);
  };
  const auto encoder = []() -> ModelPtr { return tiny_encoder(); };
  const auto pruned = []() -> ModelPtr {
    auto model = tiny_decoder();
    for (const auto& block : model->blocks()) block.narrow.linear->weight.slice(0, 0, 9).zero_();
    return model;
  };
  return {
      {"adamw", 1, {[](Options&) {}}},
      {"adamw, four micro-batches", 4, {[](Options&) {}}, [] { return tiny_decoder(); }, four_rows},
      {"adafactor", 1, use_adafactor},
      {"adafactor with a first moment", 1, [](Options& o) { use_adafactor(o), o.optimizer.beta1 = 0.9; }},
      {"blocks recomputed", 1, [](Options& o) { o.recompute_blocks = true; }},
      {"z-loss", 1, [](Options& o) { o.loss.z_loss = 0.02; }},
      {"masks", 1, [](Options& o) { o.masks = train::Masking::zeros; }, pruned},
      {"adapters", 1, {[](Options&) {}}, [] { return tiny_decoder(); }, packed_batch, 0},
      {"adapters that drop", 1, {[](Options&) {}}, [] { return tiny_decoder(); }, packed_batch, 0.3},
      {"preference", 1, [](Options& o) { o.loss = {"preference", {"sigmoid", 0.5, 0, 0.3}}; },
       [] { return tiny_decoder(); }, [](uint64_t seed) { return random_pairs(2, seed); }},
      {"masked", 1, [](Options& o) { o.loss.kind = "masked"; }, encoder, masked_batch},
      {"distillation", 1, teacher(wide)},
  };
}

std::string state_path() {
  return (std::filesystem::temp_directory_path() / str("tongueforge_gpu_", ::getpid(), ".safetensors"))
      .string();
}

// Of a trainer, or a snapshot of one.
void save(const auto& state, Job& job) {
  std::filesystem::remove(state_path());
  state.save_state(state_path(), job);
}

bool same_bits(const train::Trainer& a, const train::Trainer& b) {
  return all_weights(a).cpu().equal(all_weights(b).cpu());
}

}  // namespace

TEST_CASE("cuda: ten updates tell the losses of the CPU, whatever is trained and how") {
  const auto device = gpu();
  if (!device) return;
  for (const auto& setting : settings()) {
    CAPTURE(setting.name);
    const auto here = trained_on(at::kCPU, setting), there = trained_on(*device, setting);
    for (size_t i = 0; i < here.size(); i++) {
      CAPTURE(i);
      CHECK(there[i].refused.empty());
      CHECK(there[i].tokens == here[i].tokens);
      CHECK(there[i].loss == doctest::Approx(here[i].loss).epsilon(1e-4));
      CHECK(there[i].grad_norm == doctest::Approx(here[i].grad_norm).epsilon(2e-3));
      for (const auto& [name, value] : here[i].figures) {
        CAPTURE(name);
        CHECK(there[i].figures.at(name) == doctest::Approx(value).epsilon(1e-3));
      }
    }
  }
}

TEST_CASE("cuda: in bfloat16 the loss follows float32, whatever the gradient is summed over") {
  const auto device = gpu();
  if (!device) return;
  for (const int64_t accumulation : {1, 4}) {
    const Setting wide = {"float32", accumulation, [](train::TrainerOptions&) {},
                          [] { return tiny_decoder(); }, four_rows};
    Setting half = wide;
    half.change = [](train::TrainerOptions& options) { options.compute = at::kBFloat16; };
    const auto expected = trained_on(*device, wide), seen = trained_on(*device, half);
    for (size_t i = 0; i < seen.size(); i++)
      CHECK(seen[i].loss == doctest::Approx(expected[i].loss).epsilon(0.05));
  }
}

TEST_CASE("cuda: what goes on from a saved state is to the bit what never stopped") {
  const auto device = gpu();
  if (!device) return;
  SilentJob job;
  for (const char* kind : {"adamw", "adafactor"})
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      CAPTURE(kind);
      CAPTURE(dtype);
      auto options = gpu_options();
      options.optimizer.kind = kind;
      options.compute = dtype;
      const Setting setting = {kind};
      train::Trainer whole(on(tiny_decoder(), *device), options),
          stopped(on(tiny_decoder(), *device), options);
      updates(whole, setting, 0, 3);
      updates(stopped, setting, 0, 3);
      save(stopped, job);
      const auto snapshot = stopped.snapshot(job);
      train::Trainer resumed(on(tiny_decoder(tiny_spec(), 99), *device), options);
      resumed.load_state(state_path(), job);
      updates(whole, setting, 3, 7);
      updates(resumed, setting, 3, 7);
      CHECK(same_bits(whole, resumed));
      save(*snapshot, job);  // taken before, whatever was trained since
      train::Trainer again(on(tiny_decoder(tiny_spec(), 98), *device), options);
      again.load_state(state_path(), job);
      updates(again, setting, 3, 7);
      CHECK(same_bits(whole, again));
      std::filesystem::remove(state_path());
    }
}

TEST_CASE("cuda: a state goes from one device to the other and back without loss") {
  const auto device = gpu();
  if (!device) return;
  SilentJob job;
  const Setting setting = {"adamw"};
  train::Trainer here(tiny_decoder(), gpu_options()), back(tiny_decoder(tiny_spec(), 98), gpu_options());
  train::Trainer there(on(tiny_decoder(tiny_spec(), 99), *device), gpu_options());
  updates(here, setting, 0, 3);
  save(here, job);
  there.load_state(state_path(), job);
  CHECK(same_bits(here, there));
  save(there, job);
  back.load_state(state_path(), job);
  updates(here, setting, 3, 3);
  updates(back, setting, 3, 3);
  CHECK(same_bits(here, back));  // moments too went along
  std::filesystem::remove(state_path());
}

TEST_CASE("cuda: a loss that is not finite, or a spike, changes nothing") {
  const auto device = gpu();
  if (!device) return;
  SilentJob job;
  const auto model = on(tiny_decoder(), *device);
  train::Trainer trainer(model, gpu_options());
  const auto batch = packed_batch(1);
  const auto before = all_weights(trainer).clone();
  CHECK(trainer.step({batch}, {.lr = 0.01, .loss_limit = 1e-3}, job).refused == "spike");
  CHECK(all_weights(trainer).equal(before));
  {
    const at::NoGradGuard no_grad;
    model->parameters()[0]
        .tensor->select(0, batch.ids_BT[0][1].item<int64_t>())
        .fill_(std::numeric_limits<float>::quiet_NaN());
  }
  const auto spoilt = at::nan_to_num(all_weights(trainer));
  CHECK(trainer.step({batch}, {.lr = 0.01}, job).refused == "non_finite");
  CHECK(at::nan_to_num(all_weights(trainer)).equal(spoilt));
}

TEST_CASE("cuda: evaluation tells the loss of the CPU") {
  const auto device = gpu();
  if (!device) return;
  train::Trainer here(tiny_decoder(), gpu_options()), there(on(tiny_decoder(), *device), gpu_options());
  const auto a = here.evaluate(packed_batch(5)), b = there.evaluate(packed_batch(5));
  CHECK(a.count == b.count);
  CHECK(b.sum == doctest::Approx(a.sum).epsilon(1e-5));
}

TEST_CASE("cuda: a step without room changes nothing, and the next one goes on") {
  const auto device = gpu();
  if (!device) return;
  SilentJob job;
  const Setting setting = {"adamw"};
  train::Trainer trainer(on(tiny_decoder(), *device), gpu_options()),
      undisturbed(on(tiny_decoder(), *device), gpu_options());
  updates(trainer, setting, 0, 2);
  updates(undisturbed, setting, 0, 2);
  const auto used = kernels::device_use(*device).used;
  {
    // All of the GPU is taken but a little, and the step asks for more.
    const auto room = kernels::device_room(*device);
    const auto taken = at::empty({room.available - (512 << 20)}, at::device(*device).dtype(at::kByte));
    std::string code;
    try {
      trainer.step({random_batch(4096, 512, 1)}, {.lr = 0.005, .step = 2}, job);
    } catch (const Error& error) {
      code = error.code();
      CHECK(error.message().find("no room for") != std::string::npos);
      CHECK(error.message().find("weights") != std::string::npos);
    }
    CHECK(code == "ERR_OUT_OF_MEMORY");
  }
  CHECK(kernels::device_use(*device).used <= used + (64 << 20));
  kernels::release_kept(*device);
  updates(trainer, setting, 2, 3);
  updates(undisturbed, setting, 2, 3);
  CHECK(same_bits(trainer, undisturbed));
}

TEST_CASE("cuda: bfloat16 takes 16 bytes a parameter, and gradients are held once") {
  const auto device = gpu();
  if (!device) return;
  auto spec = tiny_spec();
  spec.vocab_size = 32000;
  spec.hidden_size = 512;
  spec.head_dim = 64;
  for (auto& layer : spec.layers) layer = {{8, 4, 2048}, 0, {}};
  auto options = gpu_options();
  options.compute = at::kBFloat16;
  SilentJob job;
  train::Trainer(on(tiny_decoder(), *device), options).step({packed_batch(1)}, {.lr = 0.001}, job);
  kernels::release_kept(*device);  // what libraries work in is there by now
  const auto before = kernels::device_use(*device).used;
  train::Trainer trainer(on(tiny_decoder(spec), *device), options);
  const auto parameters = trainer.memory_use().weights / 2;
  const auto resting = kernels::device_use(*device).used - before;
  CHECK(static_cast<double>(resting) < 14.05 * static_cast<double>(parameters));
  for (int64_t step = 0; step < 2; step++)
    trainer.step({random_batch(1, 16, 1)}, {.lr = 0.001, .step = step}, job);
  CHECK(kernels::device_use(*device).used - before ==
        doctest::Approx(static_cast<double>(resting)).epsilon(0.05));
  const auto peak = kernels::device_use(*device).peak - before;
  const auto head = 6 * 32000 * 512;  // the gradient of the head is summed in float32, then rounded
  MESSAGE("bytes a parameter at the peak: " << static_cast<double>(peak) / static_cast<double>(parameters));
  CHECK(static_cast<double>(peak) < 16.5 * static_cast<double>(parameters) + head + (64 << 20));
}

TEST_CASE("cuda: two trainings with deterministic operators give the same bytes, whatever is trained") {
  const auto device = gpu();
  if (!device) return;
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
  for (const auto& setting : settings())
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      CAPTURE(setting.name);
      CAPTURE(dtype);
      const auto weights = [&] {
        const auto model = on(setting.model(), *device);
        auto options = options_of(setting, *model, *device);
        options.deterministic = true;
        options.compute = dtype;
        train::Trainer trainer(model, options);
        updates(trainer, setting, 0, 5);
        return all_weights(trainer);
      };
      CHECK(weights().equal(weights()));
      CHECK_FALSE(at::globalContext().deterministicAlgorithms());
    }
}

// Heads that libtorch's attention for packed rows takes.
Setting recordable(const char* name, int64_t accumulation, at::ScalarType dtype = at::kBFloat16) {
  return {name, accumulation, [dtype](train::TrainerOptions& options) { options.compute = dtype; },
          [] { return tiny_decoder(); }, accumulation > 1 ? four_rows : packed_batch};
}

TEST_CASE("cuda: passes that are recorded and replayed learn what others do, the same bytes each time") {
  const auto device = gpu();
  if (!device) return;
  for (const int64_t accumulation : {1, 2, 4})
    for (const bool recompute : {false, true}) {
      CAPTURE(accumulation);
      CAPTURE(recompute);
      const auto setting = recordable("recorded", accumulation);
      const auto model = on(setting.model(), *device);
      auto options = options_of(setting, *model, *device);
      options.recompute_blocks = recompute;
      train::Trainer eager(model, options);
      options.graph = true;
      train::Trainer recorded(on(setting.model(), *device), options);
      const auto a = updates(eager, setting, 0, 10), b = updates(recorded, setting, 0, 10);
      for (size_t i = 0; i < a.size(); i++) {
        CAPTURE(i);
        CHECK(b[i].tokens == a[i].tokens);
        CHECK(b[i].loss == doctest::Approx(a[i].loss).epsilon(0.01));
        CHECK(b[i].grad_norm == doctest::Approx(a[i].grad_norm).epsilon(0.05));
      }
      train::Trainer again(on(setting.model(), *device), options);
      updates(again, setting, 0, 10);
      CHECK(same_bits(recorded, again));
    }
}

TEST_CASE(
    "cuda: a recorded training goes on from its state to the bit, other shapes and full plans included") {
  const auto device = gpu();
  if (!device) return;
  SilentJob job;
  const auto setting = recordable("recorded", 1);
  auto options = options_of(setting, *tiny_decoder(), *device);
  options.graph = true;
  // Of one token each: more documents than a plan has room for.
  auto crowded = packed_batch(3);
  crowded.segments_BT = at::arange(12).expand({2, 12}).contiguous();
  const auto odd = random_batch(3, 7, 4);
  const auto go_on = [&](train::Trainer& trainer) {
    updates(trainer, setting, 3, 3);
    trainer.step({odd}, {.lr = 0.005, .clip = 1}, job);
    trainer.step({crowded}, {.lr = 0.005, .clip = 1}, job);
    trainer.step({odd, packed_batch(8)}, {.lr = 0.005, .clip = 1}, job);
    updates(trainer, setting, 6, 3);
  };
  train::Trainer whole(on(tiny_decoder(), *device), options), stopped(on(tiny_decoder(), *device), options);
  updates(whole, setting, 0, 3);
  updates(stopped, setting, 0, 3);
  save(stopped, job);
  train::Trainer resumed(on(tiny_decoder(tiny_spec(), 99), *device), options);
  resumed.load_state(state_path(), job);
  go_on(whole);
  go_on(resumed);
  CHECK(same_bits(whole, resumed));
  std::filesystem::remove(state_path());
}

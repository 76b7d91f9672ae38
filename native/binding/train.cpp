// Training, one step a call.
#include "train/trainer.h"

#include "binding/exports.h"
#include "binding/handle.h"
#include "binding/read_rows.h"
#include "kernels/aten.h"
#include "kernels/device_memory.h"
#include "models/weights.h"
#include "train/segment_log_probs.h"

namespace tongueforge::binding {
namespace {

std::shared_ptr<train::Trainer> trainer_of(const Options& options) {
  return unwrap<train::Trainer>(options.value("trainer"));
}

train::OptimizerOptions read_optimizer(const Options& options) {
  train::OptimizerOptions optimizer;
  optimizer.kind = options.text("kind");
  optimizer.beta1 = options.number("beta1");
  optimizer.eps = options.number("eps");
  optimizer.weight_decay = options.number("weight_decay");
  optimizer.decay_all = options.flag("decay_all");
  if (optimizer.kind == "adafactor") {
    optimizer.decay_rate = options.number("decay_rate");
    optimizer.clip_threshold = options.number("clip_threshold");
  } else {
    optimizer.beta2 = options.number("beta2");
  }
  return optimizer;
}

Value to_value(const train::Figures& figures) {
  Value::Map map;
  for (const auto& [name, value] : figures) map.emplace_back(name, value);
  return map;
}

Value to_value(const train::Evaluation& evaluation) {
  return Value::Map{
      {"sum", evaluation.sum}, {"count", evaluation.count}, {"figures", to_value(evaluation.figures)}};
}

Value to_value(const train::Masks::Counts& counts) {
  return Value::Map{{"prunable", counts.prunable}, {"masked", counts.masked}};
}

Value to_value(const kernels::DeviceUse& use) {
  return Value::Map{{"used_bytes", use.used}, {"peak_bytes", use.peak}};
}

train::PreferenceOptions read_preference(const Options& options) {
  return {options.text("kind"), options.number("beta"), options.number("label_smoothing"),
          options.number("gamma")};
}

train::DistillationLossOptions read_distillation(const Options& options) {
  train::DistillationLossOptions read;
  read.teacher = unwrap<models::Model>(options.value("teacher"));
  read.mix.temperature = options.number("temperature");
  read.mix.alpha = options.number("alpha");
  read.mix.squared = options.flag("squared");
  read.mix.divergence = kernels::divergence_from_name(options.text("divergence"));
  if (!options.has("hidden")) return read;
  const auto hidden = options.object("hidden");
  const auto students = hidden.integers("student_layers"), teachers = hidden.integers("teacher_layers");
  for (size_t i = 0; i < students.size(); i++)
    read.hidden.layers.push_back({static_cast<size_t>(students[i]), static_cast<size_t>(teachers.at(i))});
  read.hidden.weight = hidden.number("weight");
  read.hidden.cosine = hidden.number("cosine");
  read.hidden.seed = static_cast<uint64_t>(hidden.integer("seed"));
  return read;
}

train::LossOptions read_loss(const Options& options) {
  train::LossOptions loss = {options.text("kind")};
  if (options.has("z_loss")) loss.z_loss = options.number("z_loss");
  if (options.has("preference")) loss.preference = read_preference(options.object("preference"));
  if (options.has("distillation")) loss.distillation = read_distillation(options.object("distillation"));
  return loss;
}

nn::EncoderDropout read_dropout(const Options& options) {
  return {options.number("residual"), options.number("attention"), options.number("activation")};
}

train::TogetherOptions read_together(const Options& options) {
  train::TogetherOptions together;
  together.group = unwrap<distributed::Group>(options.value("group"));
  together.bucket_bytes = static_cast<int64_t>(options.number("bucket_mb") * (1 << 20));
  together.share_state = options.flag("share_state");
  return together;
}

Value::List to_list(const at::Tensor& values) {
  const auto doubles = values.to(at::kDouble).contiguous();
  const auto* data = doubles.data_ptr<double>();
  return Value::List(data, data + doubles.numel());
}

}  // namespace

// makeTrainer({model, optimizer, loss: {kind, z_loss?, preference?: {kind, beta, label_smoothing, gamma},
// distillation?: {teacher, temperature, alpha, squared, divergence, hidden?: {student_layers, teacher_layers,
// weight, cosine, seed}}}, dtype, frozen: names, seed, recompute_blocks, masks, deterministic?, graph?,
// dropout?, together?: {group, bucket_mb, share_state}},
// on_event): Handle
Napi::Value make_trainer(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  const auto frozen = options.texts("frozen");
  train::TrainerOptions trainer = {
      read_optimizer(options.object("optimizer")),
      read_loss(options.object("loss")),
      models::scalar_type_from_name(options.text("dtype")),
      {frozen.begin(), frozen.end()},
      static_cast<uint64_t>(options.integer("seed")),
      options.flag("recompute_blocks"),
      options.has("masks") ? train::masking_from_name(options.text("masks")) : train::Masking::none,
      options.has("deterministic") && options.flag("deterministic"),
      options.has("graph") && options.flag("graph")};
  if (options.has("dropout")) trainer.dropout = read_dropout(options.object("dropout"));
  if (options.has("together")) trainer.together = read_together(options.object("together"));
  return start_job(info, [model = unwrap<models::Model>(options.value("model")), trainer](Job&) -> Value {
    return std::make_shared<train::Trainer>(model, trainer);
  });
}

// trainStep({trainer, batches, lr, clip, step, loss_limit?, grad_norm_limit?, first_micro_batch?,
// real_tokens?, stop?}, on_event): {loss, grad_norm, tokens, real_tokens, refused, figures, device?:
// {used_bytes, peak_bytes}}
Napi::Value train_step(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  train::StepOptions step = {options.number("lr"), options.number("clip"), options.integer("step")};
  if (options.has("loss_limit")) step.loss_limit = options.number("loss_limit");
  if (options.has("grad_norm_limit")) step.grad_norm_limit = options.number("grad_norm_limit");
  if (options.has("first_micro_batch")) step.first_micro_batch = options.integer("first_micro_batch");
  if (options.has("real_tokens")) step.real_tokens = options.integer("real_tokens");
  if (options.has("stop")) step.stop = options.flag("stop");
  return start_job(
      info, [trainer = trainer_of(options), packed = read_batches(options), step](Job& job) -> Value {
        const auto result = trainer->step(to_batches(packed, trainer->model().vocab_size()), step, job);
        Value::Map outcome = {{"loss", result.loss},       {"grad_norm", result.grad_norm},
                              {"tokens", result.tokens},   {"real_tokens", result.real_tokens},
                              {"refused", result.refused}, {"figures", to_value(result.figures)}};
        if (const auto device = trainer->model().device(); device.is_cuda())
          outcome.emplace_back("device", to_value(kernels::device_use(device)));
        return outcome;
      });
}

// trainPrune({trainer, sparsity, scope}, on_event): {prunable, masked}
Napi::Value train_prune(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [trainer = trainer_of(options), sparsity = options.number("sparsity"),
                    scope = kernels::mask_scope_from_name(options.text("scope"))](Job& job) -> Value {
                     trainer->prune(scope, sparsity, job);
                     return to_value(trainer->masked());
                   });
}

// trainMasked({trainer}, on_event): {prunable, masked}
Napi::Value train_masked(const Napi::CallbackInfo& info) {
  return start_job(
      info, [trainer = trainer_of(Options(info[0]))](Job&) -> Value { return to_value(trainer->masked()); });
}

// trainGradients({trainer, batches, path}, on_event): void; one safetensors file of all gradients
Napi::Value train_gradients(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [trainer = trainer_of(options), packed = read_batches(options),
                    path = options.text("path")](Job& job) -> Value {
                     models::save_tensors(
                         path, trainer->gradients(to_batches(packed, trainer->model().vocab_size()), job),
                         job);
                     return {};
                   });
}

// trainEvaluate({trainer, batch}, on_event): {sum, count, figures}; sums over what the loss counts
Napi::Value train_evaluate(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info, [trainer = trainer_of(options), rows = PackedRows(options.object("batch"))](Job& job) -> Value {
        return to_value(trainer->evaluate(rows.batch(trainer->model().vocab_size()), &job));
      });
}

// modelLoss({model, loss: as makeTrainer, batch}, on_event): {sum, count, figures}; as trainEvaluate of a
// model that is not trained
Napi::Value model_loss(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info,
      [model = unwrap<models::Model>(options.value("model")), loss = read_loss(options.object("loss")),
       rows = PackedRows(options.object("batch"))](Job& job) -> Value {
        return to_value(
            train::evaluate(*train::make_loss(loss, *model), rows.batch(model->vocab_size()), &job));
      });
}

// segmentLogProbs({model, batch}, on_event): {sums: number[], counts: number[]}; of each document, row after
// row
Napi::Value segment_log_probs(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [model = unwrap<models::Decoder>(options.value("model")),
                    rows = PackedRows(options.object("batch"))](Job& job) -> Value {
                     const at::NoGradGuard no_grad;
                     const auto said =
                         train::segment_log_probs(*model, rows.batch(model->vocab_size()), &job);
                     return Value::Map{{"sums", to_list(said.sums_S)}, {"counts", to_list(said.counts_S)}};
                   });
}

// trainSave({trainer, path}, on_event): void; everything that training changes
Napi::Value train_save(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info, [trainer = trainer_of(options), path = options.text("path")](Job& job) -> Value {
    trainer->save_state(path, job);
    return {};
  });
}

// trainSnapshot({trainer}, on_event): Handle; a copy of what trainSave writes
Napi::Value train_snapshot(const Napi::CallbackInfo& info) {
  return start_job(
      info, [trainer = trainer_of(Options(info[0]))](Job& job) -> Value { return trainer->snapshot(job); });
}

// trainSendState({trainer}, on_event): void; of a state that is shared out, this process's part, for
// trainSave or trainSnapshot in the first
Napi::Value train_send_state(const Napi::CallbackInfo& info) {
  return start_job(info, [trainer = trainer_of(Options(info[0]))](Job& job) -> Value {
    trainer->send_state(job);
    return {};
  });
}

// saveSnapshot({snapshot, path}, on_event): void; as trainSave
Napi::Value save_snapshot(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [snapshot = unwrap<train::Snapshot>(options.value("snapshot")),
                    path = options.text("path")](Job& job) -> Value {
                     snapshot->save_state(path, job);
                     return {};
                   });
}

// trainResume({trainer, path}, on_event): void
Napi::Value train_resume(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info, [trainer = trainer_of(options), path = options.text("path")](Job& job) -> Value {
    trainer->load_state(path, job);
    return {};
  });
}

}  // namespace tongueforge::binding

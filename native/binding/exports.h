// Every function of the addon. Each reads its options, converts, calls the core and wraps the result; one
// file a verb. The TypeScript signatures stand in lib/native.ts.
#pragma once
#include <napi.h>

#include "binding/environment.h"
#include "binding/job_thread.h"
#include "binding/options.h"
#include "core/error.h"
#include "core/value.h"

namespace tongueforge::binding {

using Export = Napi::Value (*)(const Napi::CallbackInfo& info);

/// A JS function around an Export that turns every C++ exception into a JS error with code, hint and details.
Napi::Function guarded(Napi::Env env, const char* name, Export function);

/// Starts a job from a call (options, on_event): the shape of every asynchronous export. Where a model serves
/// in this process, it yields to the event loop and to answers.
Napi::Value start_job(const Napi::CallbackInfo& info, JobThread::Body body);

/// The same, for what a model in memory is asked: somebody waits for it, and it yields to nobody.
Napi::Value start_answer(const Napi::CallbackInfo& info, JobThread::Body body);

/// {code, message, hint}[]: what a plan found against running it.
Value problems_value(const std::vector<Error>& problems);

// runtime.cpp
Napi::Value runtime_info(const Napi::CallbackInfo& info);
Napi::Value cuda_devices(const Napi::CallbackInfo& info);
Napi::Value matmul_rate(const Napi::CallbackInfo& info);
Napi::Value describe_gpu(const Napi::CallbackInfo& info);
Napi::Value cancel_job(const Napi::CallbackInfo& info);
Napi::Value shutdown_jobs(const Napi::CallbackInfo& info);
Napi::Value dispose(const Napi::CallbackInfo& info);
// checkpoint.cpp
Napi::Value inspect_weights(const Napi::CallbackInfo& info);
Napi::Value stage_folder(const Napi::CallbackInfo& info);
Napi::Value check_output(const Napi::CallbackInfo& info);
Napi::Value publish_folder(const Napi::CallbackInfo& info);
Napi::Value keep_folder(const Napi::CallbackInfo& info);
Napi::Value discard_folder(const Napi::CallbackInfo& info);
Napi::Value lock_file(const Napi::CallbackInfo& info);
// model.cpp
Napi::Value describe_blocks(const Napi::CallbackInfo& info);
Napi::Value inspect_packed(const Napi::CallbackInfo& info);
Napi::Value load_model(const Napi::CallbackInfo& info);
Napi::Value check_model(const Napi::CallbackInfo& info);
Napi::Value initialise_model(const Napi::CallbackInfo& info);
Napi::Value move_model(const Napi::CallbackInfo& info);
Napi::Value save_model(const Napi::CallbackInfo& info);
Napi::Value logits(const Napi::CallbackInfo& info);
Napi::Value generate(const Napi::CallbackInfo& info);
Napi::Value score(const Napi::CallbackInfo& info);
Napi::Value likelihoods(const Napi::CallbackInfo& info);
// serve.cpp
Napi::Value make_engine(const Napi::CallbackInfo& info);
Napi::Value run_engine(const Napi::CallbackInfo& info);
Napi::Value is_serving(const Napi::CallbackInfo& info);
Napi::Value submit_request(const Napi::CallbackInfo& info);
Napi::Value cancel_request(const Napi::CallbackInfo& info);
Napi::Value use_weights(const Napi::CallbackInfo& info);
Napi::Value acknowledge_tokens(const Napi::CallbackInfo& info);
Napi::Value engine_stats(const Napi::CallbackInfo& info);
// encode.cpp
Napi::Value embed(const Napi::CallbackInfo& info);
Napi::Value classify(const Napi::CallbackInfo& info);
Napi::Value fill_masks(const Napi::CallbackInfo& info);
Napi::Value hidden_states(const Napi::CallbackInfo& info);
Napi::Value attention_shapes(const Napi::CallbackInfo& info);
// train.cpp
Napi::Value make_trainer(const Napi::CallbackInfo& info);
Napi::Value train_step(const Napi::CallbackInfo& info);
Napi::Value train_prune(const Napi::CallbackInfo& info);
Napi::Value train_masked(const Napi::CallbackInfo& info);
Napi::Value train_gradients(const Napi::CallbackInfo& info);
Napi::Value train_evaluate(const Napi::CallbackInfo& info);
Napi::Value model_loss(const Napi::CallbackInfo& info);
Napi::Value segment_log_probs(const Napi::CallbackInfo& info);
Napi::Value train_save(const Napi::CallbackInfo& info);
Napi::Value train_snapshot(const Napi::CallbackInfo& info);
Napi::Value train_send_state(const Napi::CallbackInfo& info);
Napi::Value save_snapshot(const Napi::CallbackInfo& info);
Napi::Value train_resume(const Napi::CallbackInfo& info);
// distributed.cpp
Napi::Value join_group(const Napi::CallbackInfo& info);
Napi::Value group_post(const Napi::CallbackInfo& info);
Napi::Value group_await(const Napi::CallbackInfo& info);
Napi::Value leave_group(const Napi::CallbackInfo& info);
// compress_lowrank.cpp
Napi::Value factor_model(const Napi::CallbackInfo& info);
// compress_prune.cpp
Napi::Value prune_weights(const Napi::CallbackInfo& info);
Napi::Value quantize_weights(const Napi::CallbackInfo& info);
// compress_student.cpp
Napi::Value make_student(const Napi::CallbackInfo& info);
// adapter.cpp
Napi::Value describe_model(const Napi::CallbackInfo& info);
Napi::Value inspect_adapter(const Napi::CallbackInfo& info);
Napi::Value read_labels(const Napi::CallbackInfo& info);
Napi::Value attach_adapter(const Napi::CallbackInfo& info);
Napi::Value load_adapter(const Napi::CallbackInfo& info);
Napi::Value save_adapter(const Napi::CallbackInfo& info);
Napi::Value plan_adapter_merge(const Napi::CallbackInfo& info);
Napi::Value merge_adapter(const Napi::CallbackInfo& info);
// live.cpp
Napi::Value open_deltas(const Napi::CallbackInfo& info);
Napi::Value load_target(const Napi::CallbackInfo& info);
Napi::Value load_deltas(const Napi::CallbackInfo& info);
Napi::Value graft_model(const Napi::CallbackInfo& info);
// speed.cpp
Napi::Value measure_speed(const Napi::CallbackInfo& info);
Napi::Value use_sparse_layers(const Napi::CallbackInfo& info);
Napi::Value use_packed_layers(const Napi::CallbackInfo& info);
// text.cpp
Napi::Value train_bpe(const Napi::CallbackInfo& info);
Napi::Value open_fasttext(const Napi::CallbackInfo& info);
Napi::Value fasttext_labels(const Napi::CallbackInfo& info);
// audio.cpp
Napi::Value describe_sounds(const Napi::CallbackInfo& info);
Napi::Value read_sound(const Napi::CallbackInfo& info);
Napi::Value resample(const Napi::CallbackInfo& info);
Napi::Value make_front_end(const Napi::CallbackInfo& info);
Napi::Value hear_sound(const Napi::CallbackInfo& info);
Napi::Value sound_moments(const Napi::CallbackInfo& info);
// clusters.cpp
Napi::Value make_points(const Napi::CallbackInfo& info);
Napi::Value add_points(const Napi::CallbackInfo& info);
Napi::Value k_means(const Napi::CallbackInfo& info);
Napi::Value load_centres(const Napi::CallbackInfo& info);
Napi::Value make_labels(const Napi::CallbackInfo& info);
Napi::Value add_labels(const Napi::CallbackInfo& info);
Napi::Value finish_labels(const Napi::CallbackInfo& info);
// probe.cpp
Napi::Value make_probe_states(const Napi::CallbackInfo& info);
Napi::Value add_probe_states(const Napi::CallbackInfo& info);
Napi::Value fit_probe(const Napi::CallbackInfo& info);
// graft.cpp
Napi::Value plan_graft(const Napi::CallbackInfo& info);
Napi::Value graft(const Napi::CallbackInfo& info);
Napi::Value check_graft(const Napi::CallbackInfo& info);
Napi::Value module_kinds(const Napi::CallbackInfo& info);
// row_extension.cpp
Napi::Value plan_row_extension(const Napi::CallbackInfo& info);
Napi::Value extend_rows(const Napi::CallbackInfo& info);
// convert.cpp
Napi::Value open_torch(const Napi::CallbackInfo& info);
Napi::Value read_shard_index(const Napi::CallbackInfo& info);
Napi::Value write_torch_tensors(const Napi::CallbackInfo& info);
// delta.cpp
Napi::Value plan_delta(const Napi::CallbackInfo& info);
Napi::Value extract_delta(const Napi::CallbackInfo& info);
Napi::Value inspect_delta(const Napi::CallbackInfo& info);
Napi::Value delta_distance(const Napi::CallbackInfo& info);

// config_merge.cpp
Napi::Value merge_methods(const Napi::CallbackInfo& info);
Napi::Value plan_config_merge(const Napi::CallbackInfo& info);
Napi::Value config_merge(const Napi::CallbackInfo& info);
Napi::Value check_config_merge(const Napi::CallbackInfo& info);
// compress_structure.cpp
Napi::Value prune_heads(const Napi::CallbackInfo& info);
Napi::Value keep_heads(const Napi::CallbackInfo& info);
Napi::Value prune_rows(const Napi::CallbackInfo& info);
Napi::Value drop_layers(const Napi::CallbackInfo& info);

}  // namespace tongueforge::binding

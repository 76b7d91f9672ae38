// What JavaScript sees: the export table, and nothing else. lib/native.ts is its typed picture.
#include <napi.h>

#include "binding/exports.h"
#include "binding/stats.h"
#include "kernels/counted_allocator.h"

namespace tongueforge::binding {
namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  kernels::count_cpu_tensors();
  env.SetInstanceData(new Environment);  // freed by Node with the environment
  exports.Set("version", TONGUEFORGE_VERSION);
  const struct {
    const char* name;
    Export function;
  } table[] = {
      {"runtimeInfo", runtime_info},
      {"cudaDevices", cuda_devices},
      {"matmulRate", matmul_rate},
      {"describeGpu", describe_gpu},
      {"cancelJob", cancel_job},
      {"shutdownJobs", shutdown_jobs},
      {"dispose", dispose},
      {"processStats", process_stats},
      {"inspectWeights", inspect_weights},
      {"stageFolder", stage_folder},
      {"checkOutput", check_output},
      {"publishFolder", publish_folder},
      {"keepFolder", keep_folder},
      {"discardFolder", discard_folder},
      {"lockFile", lock_file},
      {"inspectPacked", inspect_packed},
      {"loadModel", load_model},
      {"checkModel", check_model},
      {"initialiseModel", initialise_model},
      {"moveModel", move_model},
      {"saveModel", save_model},
      {"describeBlocks", describe_blocks},
      {"logits", logits},
      {"generate", generate},
      {"score", score},
      {"likelihoods", likelihoods},
      {"makeEngine", make_engine},
      {"runEngine", run_engine},
      {"isServing", is_serving},
      {"submitRequest", submit_request},
      {"cancelRequest", cancel_request},
      {"useWeights", use_weights},
      {"acknowledgeTokens", acknowledge_tokens},
      {"engineStats", engine_stats},
      {"makeStudent", make_student},
      {"embed", embed},
      {"classify", classify},
      {"fillMasks", fill_masks},
      {"hiddenStates", hidden_states},
      {"attentionShapes", attention_shapes},
      {"makeTrainer", make_trainer},
      {"trainStep", train_step},
      {"trainPrune", train_prune},
      {"trainMasked", train_masked},
      {"trainGradients", train_gradients},
      {"trainEvaluate", train_evaluate},
      {"modelLoss", model_loss},
      {"segmentLogProbs", segment_log_probs},
      {"trainSave", train_save},
      {"trainSnapshot", train_snapshot},
      {"trainSendState", train_send_state},
      {"saveSnapshot", save_snapshot},
      {"trainResume", train_resume},
      {"joinGroup", join_group},
      {"groupPost", group_post},
      {"groupAwait", group_await},
      {"leaveGroup", leave_group},
      {"describeModel", describe_model},
      {"inspectAdapter", inspect_adapter},
      {"readLabels", read_labels},
      {"attachAdapter", attach_adapter},
      {"loadAdapter", load_adapter},
      {"saveAdapter", save_adapter},
      {"planAdapterMerge", plan_adapter_merge},
      {"mergeAdapter", merge_adapter},
      {"openDeltas", open_deltas},
      {"loadTarget", load_target},
      {"loadDeltas", load_deltas},
      {"graftModel", graft_model},
      {"factorModel", factor_model},
      {"pruneWeights", prune_weights},
      {"quantizeWeights", quantize_weights},
      {"measureSpeed", measure_speed},
      {"useSparseLayers", use_sparse_layers},
      {"usePackedLayers", use_packed_layers},
      {"trainBpe", train_bpe},
      {"openFastText", open_fasttext},
      {"fastTextLabels", fasttext_labels},
      {"describeSounds", describe_sounds},
      {"readSound", read_sound},
      {"resample", resample},
      {"makeFrontEnd", make_front_end},
      {"hearSound", hear_sound},
      {"soundMoments", sound_moments},
      {"makePoints", make_points},
      {"addPoints", add_points},
      {"kMeans", k_means},
      {"loadCentres", load_centres},
      {"makeLabels", make_labels},
      {"addLabels", add_labels},
      {"finishLabels", finish_labels},
      {"makeProbeStates", make_probe_states},
      {"addProbeStates", add_probe_states},
      {"fitProbe", fit_probe},
      {"planGraft", plan_graft},
      {"graft", graft},
      {"checkGraft", check_graft},
      {"moduleKinds", module_kinds},
      {"mergeMethods", merge_methods},
      {"planConfigMerge", plan_config_merge},
      {"configMerge", config_merge},
      {"checkConfigMerge", check_config_merge},
      {"planRowExtension", plan_row_extension},
      {"extendRows", extend_rows},
      {"planDelta", plan_delta},
      {"extractDelta", extract_delta},
      {"inspectDelta", inspect_delta},
      {"deltaDistance", delta_distance},
      {"openTorch", open_torch},
      {"readShardIndex", read_shard_index},
      {"writeTorchTensors", write_torch_tensors},
      {"pruneHeads", prune_heads},
      {"keepHeads", keep_heads},
      {"pruneRows", prune_rows},
      {"dropLayers", drop_layers},
  };
  for (const auto& row : table) exports.Set(row.name, guarded(env, row.name, row.function));
  return exports;
}

}  // namespace

NODE_API_MODULE(tongueforge, init)

}  // namespace tongueforge::binding

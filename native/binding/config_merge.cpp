// Merges of many models by one method.
#include "merge/config/config_merge.h"
#include "binding/exports.h"
#include "merge/methods/method.h"

namespace tongueforge::binding {
namespace {

merge::Parameters read_parameters(const Options& options) {
  merge::Parameters parameters;
  for (const auto& [name, value] : options.table("parameters")) parameters.set(name, value);
  return parameters;
}

merge::TensorOrigin read_origin(const Options& options) {
  return {static_cast<size_t>(options.integer("model")), options.text("tensor")};
}

merge::MergeModelOptions read_model(const Options& options) {
  merge::MergeModelOptions model{options.text("folder"), options.flag("tied"), std::nullopt};
  if (!options.has("adapter")) return model;
  const Options adapter = options.object("adapter");
  model.adapter = merge::AdapterOptions{adapter.text("path"), {}};
  for (const Options& module : adapter.objects("modules"))
    model.adapter->modules.push_back({module.text("module"), module.integer("rank"), module.number("scale")});
  return model;
}

merge::OutputTensorOptions read_tensor(const Options& options) {
  merge::OutputTensorOptions tensor;
  tensor.name = options.text("name");
  tensor.dtype = options.text("dtype");
  if (options.has("working_dtype")) tensor.working_dtype = options.text("working_dtype");
  if (options.has("base")) tensor.base = read_origin(options.object("base"));
  for (const Options& input : options.objects("inputs")) {
    tensor.inputs.push_back(read_origin(input));
    tensor.input_parameters.push_back(read_parameters(input));
  }
  tensor.parameters = read_parameters(options);
  if (options.has("row_tensors")) tensor.row_tensors = options.texts("row_tensors");
  return tensor;
}

merge::RowOptions read_rows(const Options& options) {
  merge::RowOptions rows;
  for (auto& map : options.rows("maps"))
    rows.maps.push_back(std::make_shared<const std::vector<int32_t>>(std::move(map)));
  rows.stand_ins = std::make_shared<const merge::StandInTable>(
      merge::StandInTable{options.int32s("stand_in_rows"), options.int32s("stand_in_ends"),
                          options.int32s("owner_models"), options.int32s("owner_rows")});
  return rows;
}

merge::ConfigMergeOptions read_config_merge(const Options& options) {
  merge::ConfigMergeOptions all;
  all.method = options.text("method");
  all.compat = options.flag("compat");
  all.seed = static_cast<uint64_t>(options.integer("seed"));
  all.max_shard_bytes = static_cast<uint64_t>(options.integer("max_shard_bytes"));
  for (const Options& model : options.objects("models")) all.models.push_back(read_model(model));
  for (const Options& tensor : options.objects("tensors")) all.tensors.push_back(read_tensor(tensor));
  if (options.has("rows")) all.rows = read_rows(options.object("rows"));
  all.settings = options.text("settings");
  return all;
}

const char* base_rule_name(merge::BaseRule rule) {
  switch (rule) {
    case merge::BaseRule::NONE:
      return "none";
    case merge::BaseRule::OPTIONAL:
      return "optional";
    case merge::BaseRule::REQUIRED:
      return "required";
  }
  return "";
}

}  // namespace

// mergeMethods({}, on_event): {name, base, min_inputs, max_inputs}[]; the registry of native/merge/methods/
Napi::Value merge_methods(const Napi::CallbackInfo& info) {
  return start_job(info, [](Job&) -> Value {
    Value::List all;
    for (const merge::Method& method : merge::methods())
      all.push_back(Value::Map{{"name", method.name},
                               {"base", base_rule_name(method.base)},
                               {"min_inputs", method.min_inputs},
                               {"max_inputs", method.max_inputs}});
    return all;
  });
}

// planConfigMerge(ConfigMergeInputs & {threads}, on_event): {bytes_to_read, bytes_to_write,
// peak_memory_bytes, shards, problems}
Napi::Value plan_config_merge(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [all = read_config_merge(options),
                    threads = static_cast<size_t>(options.integer("threads"))](Job&) -> Value {
                     const merge::ConfigMerge merging(all);
                     return Value::Map{{"bytes_to_read", merging.bytes_to_read()},
                                       {"bytes_to_write", merging.bytes_to_write()},
                                       {"peak_memory_bytes", merging.peak_memory_bytes(threads)},
                                       {"shards", merging.num_shards()},
                                       {"problems", problems_value(merging.problems())}};
                   });
}

// configMerge(ConfigMergeInputs & {staged, threads}, on_event): the report of merge/config/config_merge.h
Napi::Value config_merge(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [all = read_config_merge(options), staged = options.text("staged"),
                    threads = static_cast<size_t>(options.integer("threads"))](Job& job) -> Value {
                     return merge::to_value(merge::ConfigMerge(all).run(staged, job, threads));
                   });
}

// checkConfigMerge(ConfigMergeInputs & {folder, chunks, seed_of_chunks}, on_event): {chunks, chunks_checked,
// bytes_checked, mismatches: {file, tensor, offset}[]}
Napi::Value check_config_merge(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [all = read_config_merge(options), folder = options.text("folder"),
                    chunks = static_cast<uint64_t>(options.integer("chunks")),
                    seed = static_cast<uint64_t>(options.integer("seed_of_chunks"))](Job& job) -> Value {
                     return merge::to_value(merge::ConfigMerge(all).check(folder, chunks, seed, job));
                   });
}

}  // namespace tongueforge::binding

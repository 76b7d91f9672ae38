// Low-rank adapters: on a model in memory, and merged into its files.
#include "binding/exports.h"
#include "binding/handle.h"
#include "binding/read_spec.h"
#include "checkpoint/safetensors.h"
#include "core/dtype.h"
#include "merge/adapter/adapter_merge.h"
#include "merge/graft/graft_report.h"
#include "models/adapters.h"
#include "models/prunable.h"

namespace tongueforge::binding {
namespace {

std::shared_ptr<models::Model> model_of(const Options& options) {
  return unwrap<models::Model>(options.value("model"));
}

// {module, rank, scale}[]
std::vector<models::AdapterSpec> read_adapters(const Options& options) {
  std::vector<models::AdapterSpec> all;
  for (const auto& adapter : options.objects("adapters"))
    all.push_back({adapter.text("module"), adapter.integer("rank"), adapter.number("scale")});
  return all;
}

std::vector<merge::LowRankSpec> read_low_ranks(const Options& options) {
  std::vector<merge::LowRankSpec> all;
  for (const auto& [module, rank, scale] : read_adapters(options)) all.push_back({module, rank, scale});
  return all;
}

Value shape_value(const std::vector<int64_t>& shape) { return Value::List(shape.begin(), shape.end()); }

}  // namespace

// describeModel({spec}, on_event): {name, shape, linear, prunable, trainable, module}[]; the parameters that
// such a model has
Napi::Value describe_model(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info, [model = make_model(options.object("spec"))](Job&) -> Value {
    const auto prunable = models::prunable_names(*model);
    Value::List all;
    for (const auto& parameter : model->parameters())
      all.push_back(Value::Map{{"name", parameter.name},
                               {"shape", shape_value(parameter.shape)},
                               {"linear", parameter.linear != nullptr},
                               {"prunable", prunable.contains(parameter.name)},
                               {"trainable", parameter.kind != models::ParameterKind::kept},
                               {"module", merge::module_kind_name(merge::module_kind_of(parameter.name))}});
    return all;
  });
}

// inspectAdapter({path}, on_event): {name, dtype, shape}[] of one safetensors file
Napi::Value inspect_adapter(const Napi::CallbackInfo& info) {
  return start_job(info, [path = Options(info[0]).text("path")](Job&) -> Value {
    const auto file = checkpoint::SafetensorsFile::open(path);
    Value::List all;
    for (const auto& tensor : file.tensors())
      all.push_back(Value::Map{
          {"name", tensor.name}, {"dtype", dtype_name(tensor.dtype)}, {"shape", shape_value(tensor.shape)}});
    return all;
  });
}

// attachAdapter({model, adapters, dropout, seed}, on_event): void
Napi::Value attach_adapter(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info,
      [model = model_of(options), adapters = read_adapters(options), dropout = options.number("dropout"),
       seed = static_cast<uint64_t>(options.integer("seed"))](Job&) -> Value {
        models::attach_adapters(*model, adapters, dropout, seed);
        return {};
      });
}

// loadAdapter({model, path}, on_event): void
Napi::Value load_adapter(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info, [model = model_of(options), path = options.text("path")](Job& job) -> Value {
    models::load_adapters(*model, path, job);
    return {};
  });
}

// saveAdapter({model, also: names, path}, on_event): void
Napi::Value save_adapter(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [model = model_of(options), also = options.texts("also"),
                    path = options.text("path")](Job& job) -> Value {
                     models::save_adapters(*model, also, path, job);
                     return {};
                   });
}

// planAdapterMerge({model, adapter, adapters, tied}, on_event): {bytes_to_read, bytes_to_write, problems}
Napi::Value plan_adapter_merge(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [model = options.text("model"), adapter = options.text("adapter"),
                    low_ranks = read_low_ranks(options), tied = options.flag("tied")](Job&) -> Value {
                     const merge::AdapterMerge merging(model, adapter, low_ranks, tied);
                     return Value::Map{{"bytes_to_read", merging.bytes_to_read()},
                                       {"bytes_to_write", merging.bytes_to_write()},
                                       {"problems", problems_value(merging.problems())}};
                   });
}

// mergeAdapter({model, adapter, adapters, tied, staged}, on_event): the report of
// merge/adapter/adapter_merge.h
Napi::Value merge_adapter(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info,
      [model = options.text("model"), adapter = options.text("adapter"), low_ranks = read_low_ranks(options),
       tied = options.flag("tied"), staged = options.text("staged")](Job& job) -> Value {
        return merge::to_value(merge::AdapterMerge(model, adapter, low_ranks, tied).run(staged, job));
      });
}

}  // namespace tongueforge::binding

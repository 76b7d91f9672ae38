// Differences between two models as files.
#include "binding/exports.h"
#include "kernels/gram.h"
#include "merge/delta/delta_extract.h"
#include "merge/delta/delta_samples.h"

namespace tongueforge::binding {
namespace {

merge::DeltaSettings read_settings(const Options& options) {
  merge::DeltaSettings settings;
  settings.codec = options.text("format");
  settings.density = options.number("density");
  settings.rank = static_cast<uint64_t>(options.integer("rank"));
  settings.energy = options.number("energy");
  settings.factor_dtype = options.text("factor_dtype") == "bfloat16" ? DType::BF16 : DType::F32;
  settings.group = static_cast<uint64_t>(options.integer("group"));
  settings.algebra = {kernels::add_gram, kernels::symmetric_eigen, kernels::project};
  return settings;
}

merge::DeltaInputs read_inputs(const Options& options) {
  merge::DeltaInputs inputs{{options.text("base"), options.flag("base_tied")},
                            {options.text("chat"), options.flag("chat_tied")},
                            read_settings(options),
                            {},
                            nullptr,
                            {},
                            {}};
  if (options.has("base_rows"))
    inputs.base_rows = std::make_shared<const std::vector<int32_t>>(options.int32s("base_rows"));
  inputs.own_rows = options.int32s("own_rows");
  for (const Options& item : options.objects("metadata"))
    inputs.metadata.emplace_back(item.text("key"), item.text("value"));
  for (const Options& item : options.objects("ranks"))
    inputs.ranks.emplace(item.text("name"), static_cast<uint64_t>(item.integer("rank")));
  return inputs;
}

Value ranks_value(const merge::DeltaExtraction& extraction) {
  Value::List all;
  for (const auto& [name, rank] : extraction.ranks())
    all.push_back(Value::Map{{"name", name}, {"rank", rank}});
  return all;
}

Value entry_value(const merge::DeltaEntry& entry) {
  return Value::Map{{"name", entry.name},
                    {"shape", Value::List(entry.shape.begin(), entry.shape.end())},
                    {"format", entry.codec->name},
                    {"elements", entry.num_elements()},
                    {"bytes", entry.num_bytes()}};
}

}  // namespace

// planDelta({base, chat, *_tied, format, density, rank, energy, factor_dtype, group, metadata: {key,
// value}[], ranks: {name, rank}[]}, on_event): {tensors, bytes_to_write, ranks, problems}
Napi::Value plan_delta(const Napi::CallbackInfo& info) {
  return start_job(info, [inputs = read_inputs(Options(info[0]))](Job& job) -> Value {
    const merge::DeltaExtraction extraction(inputs, job);
    return Value::Map{{"tensors", extraction.num_tensors()},
                      {"bytes_to_write", extraction.problems().empty() ? extraction.bytes_to_write() : 0},
                      {"ranks", ranks_value(extraction)},
                      {"problems", problems_value(extraction.problems())}};
  });
}

// extractDelta(as planDelta, and staged), on_event): the figures of merge/delta/delta_figures.h
Napi::Value extract_delta(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info, [inputs = read_inputs(options), staged = options.text("staged")](Job& job) -> Value {
    return merge::to_value(merge::DeltaExtraction(inputs, job).run(staged, job));
  });
}

// inspectDelta({path}, on_event): {file_bytes, metadata: {key: value}, tensors: {name, shape, format,
// elements, bytes}[]}
Napi::Value inspect_delta(const Napi::CallbackInfo& info) {
  return start_job(info, [path = Options(info[0]).text("path")](Job&) -> Value {
    const auto file = merge::DeltaFile::open(path);
    Value::Map metadata;
    for (const auto& [key, value] : file.metadata()) metadata.emplace_back(key, value);
    Value::List tensors;
    for (const merge::DeltaEntry& entry : file.tensors()) tensors.push_back(entry_value(entry));
    return Value::Map{
        {"file_bytes", file.file_size()}, {"metadata", std::move(metadata)}, {"tensors", std::move(tensors)}};
  });
}

// deltaDistance({path, model}, on_event): {median, tensors}; how far a model is from the base of a delta
Napi::Value delta_distance(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info, [path = options.text("path"), model = options.text("model")](Job&) -> Value {
    const auto [median, num_tensors] =
        merge::distance_from_base(merge::DeltaFile::open(path), checkpoint::ModelWeights::open(model));
    return Value::Map{{"median", median}, {"tensors", num_tensors}};
  });
}

}  // namespace tongueforge::binding

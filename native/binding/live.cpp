// Weight arithmetic on a model in memory.
#include <ATen/Parallel.h>

#include "binding/exports.h"
#include "binding/handle.h"
#include "binding/read_graft.h"
#include "binding/read_spec.h"
#include "live/delta_set.h"
#include "live/folder_deltas.h"
#include "live/graft_target.h"
#include "live/grafted_model.h"
#include "models/weights.h"

namespace tongueforge::binding {
namespace {

std::shared_ptr<live::Deltas> deltas_of(const Options& options) {
  return unwrap<live::Deltas>(options.value("deltas"));
}

// {name, scale}[]
live::Scales read_scales(const Options& options) {
  live::Scales scales;
  for (const auto& row : options.objects("scales"))
    scales[row.text("name")] = static_cast<float>(row.number("scale"));
  return scales;
}

std::optional<at::ScalarType> read_result_dtype(const Options& options) {
  if (!options.has("dtype")) return std::nullopt;
  return models::scalar_type_from_name(options.text("dtype"));
}

}  // namespace

// openDeltas({target, vectors, tensors}, on_event): Handle; chat - base for the parameters of the target
Napi::Value open_deltas(const Napi::CallbackInfo& info) {
  return start_job(info, [inputs = read_graft_inputs(Options(info[0]))](Job&) -> Value {
    return live::open_folder_deltas(inputs);
  });
}

// loadTarget({target, vectors, tensors, target_rows?, spec}, on_event): Handle; what those are added to
Napi::Value load_target(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [inputs = read_graft_inputs(options), spec = read_decoder_spec(options.object("spec"))](
                       Job& job) -> Value { return live::load_graft_target(inputs, spec, job); });
}

// loadDeltas({deltas}, on_event): Handle; the same, in memory
Napi::Value load_deltas(const Napi::CallbackInfo& info) {
  return start_job(info, [deltas = deltas_of(Options(info[0]))](Job& job) -> Value {
    return live::load_deltas(*deltas, at::get_num_threads(), job);
  });
}

// graftModel({model, deltas, scales: {name, scale}[], dtype?}, on_event):
// {model: Handle, tensors_changed, tensors_shared, bytes_changed}
Napi::Value graft_model(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [model = unwrap<models::Decoder>(options.value("model")), deltas = deltas_of(options),
                    scales = read_scales(options), dtype = read_result_dtype(options)](Job& job) -> Value {
                     const auto grafted =
                         live::graft_model(*model, *deltas, scales, dtype, at::get_num_threads(), job);
                     return Value::Map{{"model", grafted.model},
                                       {"tensors_changed", grafted.tensors_changed},
                                       {"tensors_shared", grafted.tensors_shared},
                                       {"bytes_changed", grafted.bytes_changed}};
                   });
}

}  // namespace tongueforge::binding

// Low-rank approximation of a model in memory.
#include "binding/exports.h"
#include "binding/handle.h"
#include "binding/read_rows.h"
#include "compress/factor_model.h"

namespace tongueforge::binding {
namespace {

compress::Measure read_measure(const std::string& name) {
  if (name == "weights") return compress::Measure::weights;
  if (name == "outputs") return compress::Measure::outputs;
  if (name == "input_sizes") return compress::Measure::input_sizes;
  throw Error("ERR_INTERNAL", str("Expected measure weights, outputs or input_sizes, received ", name));
}

compress::FactorOptions read_factor_options(const Options& options) {
  compress::FactorOptions read;
  read.measure = read_measure(options.text("measure"));
  for (const auto& [layer, rank] : options.table("ranks")) read.ranks[layer] = static_cast<int64_t>(rank);
  if (options.has("energy")) read.energy = options.number("energy");
  if (options.has("budget")) read.budget = options.integer("budget");
  read.multiple_of = options.integer("multiple_of");
  read.dense = options.flag("dense");
  return read;
}

Value to_value(const compress::FactoredLayer& layer) {
  return Value::Map{{"name", layer.name},   {"rank", layer.rank},         {"parameters", layer.parameters},
                    {"error", layer.error}, {"foretold", layer.foretold}, {"damping", layer.damping}};
}

}  // namespace

// factorModel({model, batches, measure, ranks, energy?, budget?, multiple_of, dense, threads}, on_event):
// FactoredLayer[]
Napi::Value factor_model(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [model = unwrap<models::Model>(options.value("model")), packed = read_batches(options),
                    settings = read_factor_options(options)](Job& job) -> Value {
                     std::vector<models::Rows> rows;
                     for (const auto& batch : to_batches(packed, model->vocab_size()))
                       rows.push_back(batch.rows());
                     Value::List all;
                     for (const auto& layer : compress::factor_model(*model, settings, std::move(rows), job))
                       all.push_back(to_value(layer));
                     return all;
                   });
}

}  // namespace tongueforge::binding

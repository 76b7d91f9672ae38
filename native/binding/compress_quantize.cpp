// Quantising of weights.
#include "binding/exports.h"
#include "binding/handle.h"
#include "binding/read_rows.h"
#include "compress/quantize.h"

namespace tongueforge::binding {
namespace {

compress::QuantizeOptions read_options(const Options& options) {
  const auto layers = options.texts("layers");
  compress::QuantizeOptions quantize;
  quantize.bits = static_cast<int>(options.integer("bits"));
  quantize.group = options.integer("group");
  quantize.symmetric = options.flag("symmetric");
  quantize.gptq = options.flag("gptq");
  quantize.damping = options.number("damping");
  quantize.layers = {layers.begin(), layers.end()};
  return quantize;
}

Value to_value(const compress::QuantizedFigures& figures) {
  Value::Map map = {{"name", figures.name},
                    {"size", figures.size},
                    {"zeros", figures.zeros},
                    {"weight_error", figures.weight_error}};
  if (figures.error) {
    map.emplace_back("error", *figures.error);
    map.emplace_back("error_of_nearest", *figures.error_of_nearest);
    map.emplace_back("damping", *figures.damping);
    map.emplace_back("retries", figures.retries);
  }
  return map;
}

}  // namespace

// quantizeWeights({model, batches, bits, group, symmetric, gptq, damping, layers}, on_event): {name, size,
// zeros, weight_error, error?, error_of_nearest?, damping?, retries?}[]
Napi::Value quantize_weights(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info,
      [model = unwrap<models::Model>(options.value("model")), packed = read_batches(options),
       quantize = read_options(options)](Job& job) -> Value {
        std::vector<models::Rows> rows;
        for (const auto& batch : to_batches(packed, model->vocab_size())) rows.push_back(batch.rows());
        Value::List all;
        for (const auto& figures : compress::quantize_weights(*model, quantize, std::move(rows), job))
          all.push_back(to_value(figures));
        return all;
      });
}

}  // namespace tongueforge::binding

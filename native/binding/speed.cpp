// How fast a model is, and what makes a pruned or quantised one faster.
#include "generate/speed.h"
#include "binding/exports.h"
#include "binding/handle.h"
#include "kernels/aten.h"
#include "models/packed_layers.h"
#include "models/sparse_layers.h"

namespace tongueforge::binding {
namespace {

Value to_value(const std::vector<double>& seconds) { return Value::List(seconds.begin(), seconds.end()); }

// {dense_seconds, other_seconds, other}, `other` being sparse or packed
Value to_value(const models::ProductTimes& times, const std::string& other, bool is_used) {
  return Value::Map{{"dense_seconds", times.dense}, {other + "_seconds", times.other}, {other, is_used}};
}

}  // namespace

// measureSpeed({model, tokens, new_tokens, warm_up, runs, seconds, threads}, on_event):
// {threads, warm_up, pass, first_token, token}
Napi::Value measure_speed(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  const generate::SpeedOptions settings = {options.integer("tokens"), options.integer("new_tokens"),
                                           options.integer("warm_up"), options.integer("runs"),
                                           options.number("seconds")};
  return start_job(info,
                   [model = unwrap<models::Model>(options.value("model")), settings](Job& job) -> Value {
                     const auto speed = generate::measure_speed(*model, settings, job);
                     return Value::Map{{"threads", at::get_num_threads()},
                                       {"warm_up", speed.warm_up},
                                       {"pass", to_value(speed.pass)},
                                       {"first_token", to_value(speed.first_token)},
                                       {"token", to_value(speed.token)}};
                   });
}

// useSparseLayers({model, rows, threads}, on_event): {name, zeros, one: ProductTimes, more: ProductTimes}[]
Napi::Value use_sparse_layers(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [model = unwrap<models::Model>(options.value("model")),
                    rows = options.integer("rows")](Job& job) -> Value {
                     Value::List all;
                     for (const auto& layer : models::use_sparse_layers(*model, rows, job))
                       all.push_back(Value::Map{{"name", layer.name},
                                                {"zeros", layer.zeros},
                                                {"one", to_value(layer.one, "sparse", layer.use.one)},
                                                {"more", to_value(layer.more, "sparse", layer.use.more)}});
                     return all;
                   });
}

// usePackedLayers({model, keep_weights, rows, threads}, on_event): {name, bits, one: ProductTimes, more}[]
Napi::Value use_packed_layers(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info,
      [model = unwrap<models::Model>(options.value("model")), keep_weights = options.flag("keep_weights"),
       rows = options.integer("rows")](Job& job) -> Value {
        Value::List all;
        for (const auto& layer : models::use_packed_layers(*model, keep_weights, rows, job))
          all.push_back(Value::Map{{"name", layer.name},
                                   {"bits", layer.bits},
                                   {"one", to_value(layer.one, "packed", layer.use.one)},
                                   {"more", to_value(layer.more, "packed", layer.use.more)}});
        return all;
      });
}

}  // namespace tongueforge::binding

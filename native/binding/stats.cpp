#include "binding/stats.h"

#include "binding/to_js.h"
#include "core/live_memory.h"

namespace tongueforge::binding {

// processStats(): NativeStats
Napi::Value process_stats(const Napi::CallbackInfo& info) {
  Value::Map objects;
  for (const auto& [kind, stats] : object_stats())
    objects.emplace_back(kind, Value::Map{{"count", stats.count}, {"bytes", stats.bytes}});
  const auto tensors = live_memory();
  const Value::Map all = {{"jobs", running_jobs()},
                          {"objects", objects},
                          {"tensors", Value::Map{{"count", tensors.blocks}, {"bytes", tensors.bytes}}}};
  napi_value result = nullptr;
  to_js(info.Env(), Value(all), &result);
  return {info.Env(), result};
}

}  // namespace tongueforge::binding

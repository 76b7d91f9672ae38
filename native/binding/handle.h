// Native objects that JavaScript holds: an External around a shared pointer. Jobs take their own copy of the
// pointer, so disposing of a handle never pulls an object away from running work.
#pragma once
#include <napi.h>

#include <memory>

#include "core/error.h"
#include "core/value.h"

namespace tongueforge::binding {

napi_status wrap_handle(napi_env env, const std::shared_ptr<Object>& object, napi_value* result);

/// The object behind a handle. Throws ERR_DISPOSED after dispose().
std::shared_ptr<Object> unwrap_handle(const Napi::Value& handle);

template <class T>
std::shared_ptr<T> unwrap(const Napi::Value& handle) {
  auto object = std::dynamic_pointer_cast<T>(unwrap_handle(handle));
  if (!object) throw Error("ERR_INTERNAL", "A handle of another kind of object was passed");
  return object;
}

/// Drops the handle's reference; calling it twice is harmless.
void dispose_handle(const Napi::Value& handle);

}  // namespace tongueforge::binding

// Native data and errors to JavaScript. Plain C calls with a status, so that they also serve an environment
// that is stopping.
#pragma once
#include <node_api.h>

#include "core/error.h"
#include "core/value.h"

namespace tongueforge::binding {

/// Typed arrays become ArrayBuffers: the facade gives them their view, in its own realm.
napi_status to_js(napi_env env, const Value& value, napi_value* result);

/// A JS Error with code, hint and details; the facade makes a TongueforgeError of it.
napi_status error_to_js(napi_env env, const Error& error, napi_value* result);

/// The exception being handled, as one Error: ours as it is, libtorch's without its native backtrace.
Error current_error();

}  // namespace tongueforge::binding

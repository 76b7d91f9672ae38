#include "binding/to_js.h"

#include <cstring>
#include <new>

#include "binding/handle.h"
#include "core/job.h"
#include "kernels/torch_error.h"

#define RETURN_IF_FAILED(call)                                            \
  do {                                                                    \
    if (napi_status status_ = (call); status_ != napi_ok) return status_; \
  } while (0)

namespace tongueforge::binding {
namespace {

constexpr const char* kLessMemory = "Use a smaller batch, sequence or model.";

napi_status text(napi_env env, const std::string& value, napi_value* result) {
  return napi_create_string_utf8(env, value.data(), value.size(), result);
}

template <class T>
napi_status array_buffer(napi_env env, const std::vector<T>& values, napi_value* result) {
  void* data = nullptr;
  const size_t size = values.size() * sizeof(T);
  RETURN_IF_FAILED(napi_create_arraybuffer(env, size, &data, result));
  if (size > 0) std::memcpy(data, values.data(), size);
  return napi_ok;
}

struct ToJs {
  napi_env env;
  napi_value* result;

  napi_status operator()(Undefined) const { return napi_get_undefined(env, result); }
  napi_status operator()(bool value) const { return napi_get_boolean(env, value, result); }
  napi_status operator()(double value) const { return napi_create_double(env, value, result); }
  napi_status operator()(const std::string& value) const { return text(env, value, result); }
  napi_status operator()(const std::vector<int32_t>& values) const {
    return array_buffer(env, values, result);
  }
  napi_status operator()(const std::vector<float>& values) const { return array_buffer(env, values, result); }
  napi_status operator()(const std::shared_ptr<Object>& object) const {
    return wrap_handle(env, object, result);
  }

  napi_status operator()(const Value::List& list) const {
    RETURN_IF_FAILED(napi_create_array_with_length(env, list.size(), result));
    for (uint32_t i = 0; i < list.size(); i++) {
      napi_value element;
      RETURN_IF_FAILED(to_js(env, list[i], &element));
      RETURN_IF_FAILED(napi_set_element(env, *result, i, element));
    }
    return napi_ok;
  }

  napi_status operator()(const Value::Map& map) const {
    RETURN_IF_FAILED(napi_create_object(env, result));
    for (const auto& [key, value] : map) {
      napi_value name, member;
      RETURN_IF_FAILED(text(env, key, &name));
      RETURN_IF_FAILED(to_js(env, value, &member));
      RETURN_IF_FAILED(napi_set_property(env, *result, name, member));
    }
    return napi_ok;
  }
};

}  // namespace

napi_status to_js(napi_env env, const Value& value, napi_value* result) {
  return std::visit(ToJs{env, result}, value.data);
}

napi_status error_to_js(napi_env env, const Error& error, napi_value* result) {
  napi_value code, message, hint, details;
  RETURN_IF_FAILED(text(env, error.code(), &code));
  RETURN_IF_FAILED(text(env, error.message(), &message));
  RETURN_IF_FAILED(napi_create_error(env, code, message, result));
  RETURN_IF_FAILED(text(env, error.hint(), &hint));
  Value::Map facts;
  for (const auto& [key, value] : error.details()) facts.emplace_back(key, value);
  RETURN_IF_FAILED(to_js(env, Value(std::move(facts)), &details));
  RETURN_IF_FAILED(napi_set_named_property(env, *result, "hint", hint));
  return napi_set_named_property(env, *result, "details", details);
}

Error current_error() {
  try {
    throw;
  } catch (const Error& error) { return error; } catch (const Cancelled& cancelled) {
    return Error("ABORT_ERR", cancelled.what());
  } catch (const c10::Error& error) {
    return kernels::error_of_torch(error, kLessMemory);
  } catch (const std::bad_alloc&) {
    return Error("ERR_OUT_OF_MEMORY", "Out of memory", kLessMemory);
  } catch (const std::exception& error) { return Error("ERR_INTERNAL", error.what()); } catch (...) {
    return Error("ERR_INTERNAL", "Unknown native error");
  }
}

}  // namespace tongueforge::binding

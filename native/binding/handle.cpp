#include "binding/handle.h"

namespace tongueforge::binding {
namespace {

struct Holder {
  std::shared_ptr<Object> object;
  int64_t bytes;
};

void release(napi_env env, Holder& holder) {
  if (!holder.object) return;
  holder.object.reset();
  int64_t ignored;
  napi_adjust_external_memory(env, -holder.bytes, &ignored);
}

void finalize(napi_env env, void* data, void*) {
  auto* holder = static_cast<Holder*>(data);
  release(env, *holder);
  delete holder;
}

Holder& holder_of(const Napi::Value& handle) {
  if (!handle.IsExternal()) throw Error("ERR_INTERNAL", "Expected a native handle");
  return *handle.As<Napi::External<Holder>>().Data();
}

}  // namespace

napi_status wrap_handle(napi_env env, const std::shared_ptr<Object>& object, napi_value* result) {
  auto* holder = new Holder{object, object->bytes()};  // owned by the External
  const napi_status status = napi_create_external(env, holder, finalize, nullptr, result);
  if (status != napi_ok) {
    delete holder;
    return status;
  }
  int64_t ignored;
  return napi_adjust_external_memory(env, holder->bytes, &ignored);
}

std::shared_ptr<Object> unwrap_handle(const Napi::Value& handle) {
  auto& holder = holder_of(handle);
  if (!holder.object) throw Error("ERR_DISPOSED", "This model or trainer was disposed of");
  return holder.object;
}

void dispose_handle(const Napi::Value& handle) { release(handle.Env(), holder_of(handle)); }

}  // namespace tongueforge::binding

#include "binding/handle.h"

#include <cxxabi.h>

#include <cstdlib>
#include <list>
#include <mutex>
#include <typeinfo>

#include "binding/stats.h"

namespace tongueforge::binding {
namespace {

/// Every object that ever had a handle and is still alive: after dispose() a job, or a fault of ours, may
/// hold it. One list for all threads of the process, as an object outlives the environment that made it where
/// a job holds it.
class LiveObjects {
 public:
  void add(const std::shared_ptr<Object>& object, int64_t bytes) {
    std::lock_guard lock(mutex_);
    forget_the_dead();
    entries_.push_back({object, kind_of(*object), bytes});
  }

  std::map<std::string, ObjectStats> count() {
    std::lock_guard lock(mutex_);
    forget_the_dead();
    std::map<std::string, ObjectStats> kinds;
    for (const auto& entry : entries_) {
      auto& [count, bytes] = kinds[entry.kind];
      count++;
      bytes += entry.bytes;
    }
    return kinds;
  }

 private:
  struct Entry {
    std::weak_ptr<Object> object;
    std::string kind;
    int64_t bytes;
  };

  void forget_the_dead() {
    entries_.remove_if([](const Entry& entry) { return entry.object.expired(); });
  }

  /// The name of its class, without namespaces.
  static std::string kind_of(const Object& object) {
    const std::unique_ptr<char, void (*)(void*)> whole(
        abi::__cxa_demangle(typeid(object).name(), nullptr, nullptr, nullptr), std::free);
    const std::string name = whole ? whole.get() : typeid(object).name();
    const auto colon = name.rfind("::");
    return colon == std::string::npos ? name : name.substr(colon + 2);
  }

  std::mutex mutex_;
  std::list<Entry> entries_;
};

// Never destroyed: threads may end after static objects do.
LiveObjects& live_objects() {
  static auto& objects = *new LiveObjects;
  return objects;
}

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
  live_objects().add(object, holder->bytes);
  int64_t ignored;
  return napi_adjust_external_memory(env, holder->bytes, &ignored);
}

std::shared_ptr<Object> unwrap_handle(const Napi::Value& handle) {
  auto& holder = holder_of(handle);
  if (!holder.object) throw Error("ERR_DISPOSED", "This model or trainer was disposed of");
  return holder.object;
}

std::map<std::string, ObjectStats> object_stats() { return live_objects().count(); }

void dispose_handle(const Napi::Value& handle) { release(handle.Env(), holder_of(handle)); }

}  // namespace tongueforge::binding

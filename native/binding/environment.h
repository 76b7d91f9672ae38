// State of one Node environment: the main thread and every worker thread have their own. No globals.
#pragma once
#include <napi.h>

#include <cstdint>
#include <unordered_map>

namespace tongueforge::binding {

class JobThread;

struct Environment {
  std::unordered_map<int64_t, JobThread*> jobs;
  int64_t next_job = 1;

  static Environment& of(napi_env env) { return *Napi::Env(env).GetInstanceData<Environment>(); }
};

}  // namespace tongueforge::binding

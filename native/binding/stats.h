// What native code holds in this process, whatever the thread: for watching servers, and for finding leaks.
#pragma once
#include <napi.h>

#include <cstdint>
#include <map>
#include <string>

namespace tongueforge::binding {

struct ObjectStats {
  int64_t count = 0;
  int64_t bytes = 0;  // when they were handed out
};

/// handle.cpp: objects that are alive, with a handle or in a job, by the name of their class.
std::map<std::string, ObjectStats> object_stats();

/// job_thread.cpp: jobs whose promise is not settled.
int64_t running_jobs();

Napi::Value process_stats(const Napi::CallbackInfo& info);

}  // namespace tongueforge::binding

#include "binding/job_thread.h"

#include <system_error>

#include "binding/environment.h"
#include "binding/stats.h"
#include "binding/to_js.h"

namespace tongueforge::binding {
namespace {

std::atomic<int64_t> running{0};  // in all environments of the process

void clear_exception(napi_env env) {
  bool thrown = false;
  napi_value ignored;
  if (napi_is_exception_pending(env, &thrown) == napi_ok && thrown)
    napi_get_and_clear_last_exception(env, &ignored);
}

}  // namespace

int64_t running_jobs() { return running.load(std::memory_order_relaxed); }

// ---- [job] ----------------------------------------------------------------------------------------------

void JobThread::run() {
  try {
    result_ = body_(*this);
  } catch (...) { fail(current_error()); }
  body_ = nullptr;  // tensors die here, on this thread
  post(/*final=*/true);
  // Our only reference. After napi_closing it was already taken away: do not touch function_ then.
  if (!closing_) napi_release_threadsafe_function(function_, napi_tsfn_release);
}

void JobThread::progress(Value latest) {
  {
    std::lock_guard lock(mutex_);
    events_.progress = std::move(latest);
  }
  post(/*final=*/false);
}

void JobThread::emit(Value item) {
  {
    std::lock_guard lock(mutex_);
    events_.items.push_back(std::move(item));
  }
  post(/*final=*/false);
}

void JobThread::post(bool final) {
  if (!final && Clock::now() - last_post_ < kMinInterval) return;
  {
    std::lock_guard lock(mutex_);
    if (events_.empty() || pending_ || closing_) return;  // a pending call takes the newest events itself
    pending_ = true;
  }
  last_post_ = Clock::now();
  const napi_status status = napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
  if (status == napi_ok) return;
  closing_ = status == napi_closing;
  cancel_.store(true, std::memory_order_release);
}

void JobThread::fail(Error error) {
  std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);
}

// ---- [JS] -----------------------------------------------------------------------------------------------

void JobThread::deliver(napi_env env, napi_value callback, void* context, void*) {
  if (env == nullptr || callback == nullptr) return;
  auto* self = static_cast<JobThread*>(context);
  if (self->reader_gone_) return;  // what the job told before it saw that it is to end
  Events events;
  {
    std::lock_guard lock(self->mutex_);
    events = std::exchange(self->events_, {});
    self->pending_ = false;
  }
  napi_value arguments[2], receiver, ignored;
  if (to_js(env, events.progress.value_or(Value{}), &arguments[0]) == napi_ok &&
      to_js(env, Value(std::move(events.items)), &arguments[1]) == napi_ok &&
      napi_get_undefined(env, &receiver) == napi_ok &&
      napi_call_function(env, receiver, callback, 2, arguments, &ignored) == napi_ok)
    return;
  // The listener threw, or this environment is stopping. Either way the job has no reader: end it.
  clear_exception(env);
  self->reader_gone_ = true;
  self->fail(Error("ERR_CALLBACK", "The progress listener threw", "Mend onProgress: the job was stopped."));
  self->cancel_.store(true, std::memory_order_release);
}

void JobThread::stop() {
  cancel_.store(true, std::memory_order_release);
  if (thread_.joinable()) thread_.join();
}

void JobThread::on_environment_cleanup(void* context) {
  auto* self = static_cast<JobThread*>(context);
  self->stop();
  self->environment_gone_ = true;
}

// Plain C calls, their status ignored: JavaScript may already be stopping.
void JobThread::settle(napi_env env) {
  napi_value value;
  if (!error_ && to_js(env, result_, &value) == napi_ok) {
    napi_resolve_deferred(env, deferred_, value);
    return;
  }
  clear_exception(env);
  if (!error_) error_.emplace("ERR_INTERNAL", "The result of a job could not be handed to JavaScript");
  if (error_to_js(env, *error_, &value) == napi_ok) napi_reject_deferred(env, deferred_, value);
}

// Runs once, after every queued call, when the job released its reference or at teardown.
void JobThread::finalize(napi_env env, void* context, void*) {
  auto* self = static_cast<JobThread*>(context);
  if (self->thread_.joinable()) self->thread_.join();
  if (!self->environment_gone_) {
    napi_remove_env_cleanup_hook(env, on_environment_cleanup, self);
    Environment::of(env).jobs.erase(self->id_);
    self->settle(env);
  }
  running.fetch_sub(1, std::memory_order_relaxed);
  delete self;
}

Napi::Value JobThread::start(Napi::Env env, Napi::Function on_event, Body body) {
  auto& environment = Environment::of(env);
  auto* self = new JobThread;  // deletes itself in finalize()
  self->body_ = std::move(body);
  self->id_ = environment.next_job++;
  napi_value promise;
  if (napi_create_promise(env, &self->deferred_, &promise) != napi_ok ||
      napi_create_threadsafe_function(env, on_event, nullptr, Napi::String::New(env, "tongueforge-job"), 0, 1,
                                      self, finalize, self, deliver, &self->function_) != napi_ok) {
    delete self;  // this environment is stopping: nothing was started
    throw Error("ERR_INTERNAL", "Cannot start a job: the environment is stopping");
  }
  napi_add_env_cleanup_hook(env, on_environment_cleanup, self);
  environment.jobs.emplace(self->id_, self);
  running.fetch_add(1, std::memory_order_relaxed);
  try {
    self->thread_ = std::thread(&JobThread::run, self);
  } catch (const std::system_error& error) {  // finalize() rejects the promise
    self->fail(Error("ERR_OUT_OF_MEMORY", str("Could not start a thread: ", error.what()),
                     "Raise the limit of processes (ulimit -u), or run fewer jobs at once."));
    napi_release_threadsafe_function(self->function_, napi_tsfn_release);
  }
  auto started = Napi::Object::New(env);
  started.Set("id", static_cast<double>(self->id_));
  started.Set("promise", Napi::Value(env, promise));
  return started;
}

void JobThread::cancel(Napi::Env env, int64_t id) {
  auto& jobs = Environment::of(env).jobs;
  if (auto it = jobs.find(id); it != jobs.end()) it->second->cancel_.store(true, std::memory_order_release);
}

void JobThread::shutdown(Napi::Env env) {
  auto& jobs = Environment::of(env).jobs;
  for (auto& [id, job] : jobs) job->cancel_.store(true, std::memory_order_release);  // all first, then wait
  for (auto& [id, job] : jobs) job->stop();
}

}  // namespace tongueforge::binding

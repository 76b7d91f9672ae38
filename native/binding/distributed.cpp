// Processes that train one model together: meeting, messages and parting. What they compute together,
// trainStep does.
#include "binding/exports.h"
#include "binding/handle.h"
#include "distributed/group.h"

namespace tongueforge::binding {
namespace {

std::shared_ptr<distributed::Group> group_of(const Options& options) {
  return unwrap<distributed::Group>(options.value("group"));
}

}  // namespace

// joinGroup({rank, size, address, port, serves_store, agent_serves, prefix, nccl, timeout_seconds},
// on_event): Handle
Napi::Value join_group(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  distributed::GroupOptions group;
  group.rank = static_cast<int>(options.integer("rank"));
  group.size = static_cast<int>(options.integer("size"));
  group.address = options.text("address");
  group.port = static_cast<int>(options.integer("port"));
  group.serves_store = options.flag("serves_store");
  group.agent_serves = options.flag("agent_serves");
  group.prefix = options.text("prefix");
  group.nccl = options.flag("nccl");
  group.timeout = std::chrono::milliseconds(static_cast<int64_t>(1000 * options.number("timeout_seconds")));
  return start_job(info, [group](Job& job) -> Value { return distributed::Group::join(group, job); });
}

// groupPost({group, name, text}, on_event): void
Napi::Value group_post(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info,
      [group = group_of(options), name = options.text("name"), text = options.text("text")](Job&) -> Value {
        group->post(name, text);
        return {};
      });
}

// groupAwait({group, name, from}, on_event): string
Napi::Value group_await(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [group = group_of(options), name = options.text("name"),
                    from = static_cast<int>(options.integer("from"))](Job& job) -> Value {
                     return group->await_post(name, from, job);
                   });
}

// leaveGroup({group, failure?: {code, message}}, on_event): void
Napi::Value leave_group(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  std::shared_ptr<Error> failure;
  if (options.has("failure")) {
    const auto told = options.object("failure");
    failure = std::make_shared<Error>(told.text("code"), told.text("message"));
  }
  return start_job(info, [group = group_of(options), failure](Job&) -> Value {
    group->leave(failure.get());
    return {};
  });
}

}  // namespace tongueforge::binding

// Chat vectors.
#include "merge/graft/graft.h"
#include "binding/exports.h"
#include "binding/read_graft.h"

namespace tongueforge::binding {
// planGraft({target, vectors, tensors, target_rows?, sparsify?}, on_event): {bytes_to_read, bytes_to_write,
// unties_head, problems: {code, message, hint}[]}
Napi::Value plan_graft(const Napi::CallbackInfo& info) {
  return start_job(info, [inputs = read_graft_inputs(Options(info[0]))](Job&) -> Value {
    const merge::Graft graft(inputs);
    return Value::Map{{"bytes_to_read", graft.bytes_to_read()},
                      {"bytes_to_write", graft.bytes_to_write()},
                      {"unties_head", graft.unties_head()},
                      {"problems", problems_value(graft.problems())}};
  });
}

// graft({target, vectors, tensors, target_rows?, sparsify?, staged, threads}, on_event): the report of
// merge/graft/graft_report.h
Napi::Value graft(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info,
      [inputs = read_graft_inputs(options), staged = options.text("staged"),
       threads = options.integer("threads")](Job& job) -> Value {
        return merge::to_value(merge::Graft(inputs).run(staged, job, static_cast<size_t>(threads)));
      });
}

// moduleKinds({names}, on_event): string[]; the part of the network that a tensor of each name belongs to
Napi::Value module_kinds(const Napi::CallbackInfo& info) {
  return start_job(info, [names = Options(info[0]).texts("names")](Job&) -> Value {
    Value::List kinds;
    for (const std::string& name : names)
      kinds.push_back(merge::module_kind_name(merge::module_kind_of(name)));
    return kinds;
  });
}

// checkGraft({target, vectors, tensors, target_rows?, sparsify?, folder, chunks, seed}, on_event): {chunks,
// chunks_checked, bytes_checked, mismatches: {file, tensor, offset}[]}
Napi::Value check_graft(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [inputs = read_graft_inputs(options), folder = options.text("folder"),
                    chunks = static_cast<uint64_t>(options.integer("chunks")),
                    seed = static_cast<uint64_t>(options.integer("seed"))](Job& job) -> Value {
                     return merge::to_value(merge::Graft(inputs).check(folder, chunks, seed, job));
                   });
}

}  // namespace tongueforge::binding

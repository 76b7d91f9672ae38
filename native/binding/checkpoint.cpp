// Weight files and the publishing of folders.
#include "binding/exports.h"
#include "checkpoint/file_lock.h"
#include "checkpoint/model_weights.h"
#include "checkpoint/publish.h"
#include "checkpoint/safetensors_scan.h"

namespace tongueforge::binding {
namespace {

Value describe(const checkpoint::Weight& weight) {
  Value::List shape;
  for (const int64_t size : weight.shape()) shape.emplace_back(size);
  return Value::Map{
      {"name", weight.name()}, {"dtype", dtype_name(weight.dtype())}, {"shape", std::move(shape)}};
}

Value describe(const checkpoint::WeightFile& file) {
  return Value::Map{{"name", file.name}, {"real_path", file.real_path}, {"size", file.file.file_size()}};
}

template <class Things>
Value::List describe_all(const Things& things) {
  Value::List all;
  for (const auto& thing : things) all.push_back(describe(thing));
  return all;
}

}  // namespace

// inspectWeights({folder, scan}, on_event): {tensors, files, total_bytes, scan?}
Napi::Value inspect_weights(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info, [folder = options.text("folder"), scan = options.flag("scan")](Job& job) -> Value {
    const auto weights = checkpoint::ModelWeights::open(folder);
    Value::Map result = {{"tensors", describe_all(weights.tensors())},
                         {"files", describe_all(weights.files())},
                         {"total_bytes", weights.total_bytes()}};
    if (scan) {
      Value::List rows;
      for (const auto& file : weights.files())
        for (const auto& row : checkpoint::scan(file.file, job))
          rows.push_back(Value::Map{
              {"name", row.name}, {"nan", row.num_nan}, {"inf", row.num_inf}, {"zero", row.num_zero}});
      result.emplace_back("scan", std::move(rows));
    }
    return result;
  });
}

// stageFolder({out, overwrite, resume, inputs}, on_event): {path, removed_stale, resumed}
Napi::Value stage_folder(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [out = options.text("out"), overwrite = options.flag("overwrite"),
                    resume = options.flag("resume"), inputs = options.texts("inputs")](Job&) -> Value {
                     checkpoint::check_output_apart(out, inputs);
                     const auto staged = checkpoint::stage(out, overwrite, resume);
                     return Value::Map{{"path", staged.path},
                                       {"removed_stale", Value::List(staged.removed_stale.begin(),
                                                                     staged.removed_stale.end())},
                                       {"resumed", staged.resumed}};
                   });
}

// checkOutput({out, overwrite, inputs}, on_event): void; what stageFolder would refuse, nothing is made
Napi::Value check_output(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [out = options.text("out"), overwrite = options.flag("overwrite"),
                    inputs = options.texts("inputs")](Job&) -> Value {
                     checkpoint::check_output(out, overwrite, inputs);
                     return {};
                   });
}

// publishFolder({staged, out, overwrite}, on_event): void
Napi::Value publish_folder(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [staged = options.text("staged"), out = options.text("out"),
                    overwrite = options.flag("overwrite")](Job& job) -> Value {
                     checkpoint::publish(staged, out, overwrite, job);
                     return {};
                   });
}

// keepFolder({staged}, on_event): {kept}; leaves it to a later stageFolder with resume
Napi::Value keep_folder(const Napi::CallbackInfo& info) {
  return start_job(info, [staged = Options(info[0]).text("staged")](Job&) -> Value {
    return Value::Map{{"kept", checkpoint::keep(staged)}};
  });
}

// discardFolder({staged}, on_event): void
Napi::Value discard_folder(const Napi::CallbackInfo& info) {
  return start_job(info, [staged = Options(info[0]).text("staged")](Job&) -> Value {
    checkpoint::discard(staged);
    return {};
  });
}

// lockFile({path, note, ended?}, on_event): {lock: Handle, left_behind}; disposing of the handle lets go
Napi::Value lock_file(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [path = options.text("path"), note = options.text("note"),
                    ended = options.has("ended") ? options.text("ended") : ""](Job&) -> Value {
                     auto lock = checkpoint::FileLock::take(path, note, ended);
                     const std::string left_behind = lock->left_behind();
                     return Value::Map{{"lock", std::move(lock)}, {"left_behind", left_behind}};
                   });
}

}  // namespace tongueforge::binding

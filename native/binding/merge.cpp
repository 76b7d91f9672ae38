// Weight arithmetic on model folders.
#include "binding/exports.h"
#include "merge/graft.h"
#include "merge/row_extension.h"

namespace tongueforge::binding {
namespace {

// Three opened models and what headers say of their graft.
struct Graft {
  checkpoint::ModelWeights target, base, chat;
  merge::GraftPlan plan;

  explicit Graft(const std::string& target_folder, const std::string& base_folder,
                 const std::string& chat_folder, const merge::GraftOptions& options)
      : target(checkpoint::ModelWeights::open(target_folder)),
        base(checkpoint::ModelWeights::open(base_folder)),
        chat(checkpoint::ModelWeights::open(chat_folder)),
        plan(merge::plan_graft(target, base, chat, options)) {}
  Graft(const Graft&) = delete;  // the plan points into the weights
};

struct Inputs {
  std::string target, base, chat;
  merge::GraftOptions options;

  explicit Inputs(const Options& o)
      : target(o.text("target")),
        base(o.text("base")),
        chat(o.text("chat")),
        options{o.flag("target_tied"), o.flag("base_tied"), o.flag("chat_tied")} {}
};

merge::NewRows read_new_rows(const Options& options) {
  return {options.integer("first"), options.rows("pieces"), options.integer("num_rows")};
}

}  // namespace

// planGraft({target, base, chat, *_tied}, on_event): {bytes_to_read, bytes_to_write, problems: {code,
// message, hint}[]}
Napi::Value plan_graft(const Napi::CallbackInfo& info) {
  return start_job(info, [inputs = Inputs(Options(info[0]))](Job&) -> Value {
    const Graft graft(inputs.target, inputs.base, inputs.chat, inputs.options);
    return Value::Map{{"bytes_to_read", graft.plan.bytes_to_read},
                      {"bytes_to_write", graft.plan.bytes_to_write},
                      {"problems", problems_value(graft.plan.problems)}};
  });
}

// graft({target, base, chat, *_tied, scale, staged}, on_event): the report of merge/graft_report.h
Napi::Value graft(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [inputs = Inputs(options), staged = options.text("staged"),
                    scale = static_cast<float>(options.number("scale"))](Job& job) -> Value {
                     const Graft graft(inputs.target, inputs.base, inputs.chat, inputs.options);
                     return merge::to_value(merge::run_graft(graft.plan, staged, scale, job));
                   });
}

// planRowExtension({model, first, pieces: Int32Array[], num_rows, tied}, on_event): {bytes_to_read,
// bytes_to_write, problems}
Napi::Value plan_row_extension(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [model = options.text("model"), rows = read_new_rows(options),
                    tied = options.flag("tied")](Job&) -> Value {
                     const merge::RowExtension extension(model, rows, tied);
                     return Value::Map{{"bytes_to_read", extension.bytes_to_read()},
                                       {"bytes_to_write", extension.bytes_to_write()},
                                       {"problems", problems_value(extension.problems())}};
                   });
}

// extendRows({model, first, pieces: Int32Array[], num_rows, tied, staged}, on_event): the report of
// merge/row_extension.h
Napi::Value extend_rows(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [model = options.text("model"), rows = read_new_rows(options), tied = options.flag("tied"),
                    staged = options.text("staged")](Job& job) -> Value {
                     return merge::to_value(merge::RowExtension(model, rows, tied).run(staged, job));
                   });
}

}  // namespace tongueforge::binding

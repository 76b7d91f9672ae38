// New rows for new tokens.
#include "merge/rows/row_extension.h"
#include "binding/exports.h"

namespace tongueforge::binding {
namespace {

merge::NewRows read_new_rows(const Options& options) {
  return {options.integer("first"), options.rows("pieces"), options.integer("num_rows")};
}

}  // namespace

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
// merge/rows/row_extension.h
Napi::Value extend_rows(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [model = options.text("model"), rows = read_new_rows(options), tied = options.flag("tied"),
                    staged = options.text("staged")](Job& job) -> Value {
                     return merge::to_value(merge::RowExtension(model, rows, tied).run(staged, job));
                   });
}

}  // namespace tongueforge::binding

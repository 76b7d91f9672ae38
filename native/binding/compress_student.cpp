// A student from its teacher: fewer blocks, a narrower residual stream.
#include "binding/exports.h"
#include "binding/handle.h"
#include "compress/channels.h"
#include "models/model.h"

namespace tongueforge::binding {

// makeStudent({model, layers, hidden_size?}, on_event): void; in place: of the model only these blocks stay,
// by number in ascending order, and of its channels the largest
Napi::Value make_student(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  const auto layers = options.integers("layers");
  const int64_t hidden_size = options.has("hidden_size") ? options.integer("hidden_size") : 0;
  return start_job(info,
                   [model = unwrap<models::Model>(options.value("model")),
                    kept = std::vector<size_t>(layers.begin(), layers.end()), hidden_size](Job&) -> Value {
                     model->keep_blocks(kept);
                     if (hidden_size > 0) compress::keep_largest_channels(*model, hidden_size);
                     return {};
                   });
}

}  // namespace tongueforge::binding

// Probes: hidden states of a speech encoder gathered, and linear heads learned from them.
#include "binding/exports.h"
#include "binding/handle.h"
#include "binding/moved_map.h"
#include "encode/sound.h"
#include "kernels/aten.h"
#include "probe/fit.h"
#include "probe/head_file.h"

namespace tongueforge::binding {
namespace {

using StatesList = std::vector<std::shared_ptr<probe::States>>;

StatesList read_states(const Options& options) {
  StatesList all;
  for (const char* key : {"pooled", "places"})
    if (options.has(key)) all.push_back(unwrap<probe::States>(options.value(key)));
  return all;
}

/// Frames (T,C) where `width` is above 0, else samples.
std::vector<at::Tensor> read_sounds(const Options& options) {
  const int64_t width = options.integer("frame_width");
  std::vector<at::Tensor> all;
  for (const auto& values : options.float32_rows("sounds")) {
    const auto data = at::tensor(values, at::kFloat);
    all.push_back(width > 0 ? data.view({-1, width}) : data);
  }
  return all;
}

probe::Examples read_examples(const Options& options) {
  return {options.int32s("utterances"), options.rows("targets")};
}

probe::Standard read_standard(const Options& options) {
  const auto word = options.text("standardize");
  return word == "none"    ? probe::Standard::none
         : word == "layer" ? probe::Standard::layer
                           : probe::Standard::value;
}

probe::FitOptions read_fit(const Options& options) {
  return {.classes = options.integer("classes"),
          .steps = options.integer("steps"),
          .batch_size = options.integer("batch_size"),
          .lr = options.number("lr"),
          .weight_decay = options.number("weight_decay"),
          .seed = static_cast<uint64_t>(options.integer("seed"))};
}

Value::List lists_of(std::vector<std::vector<int32_t>>&& rows) {
  Value::List all;
  for (auto& row : rows) all.emplace_back(std::move(row));
  return all;
}

}  // namespace

// makeProbeStates({layers, width, rows: Int32Array, pooled}, on_event): Handle
Napi::Value make_probe_states(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(info,
                   [layers = options.integer("layers"), width = options.integer("width"),
                    rows = options.int32s("rows"), pooled = options.flag("pooled")](Job&) -> Value {
                     return std::make_shared<probe::States>(layers, width, rows, pooled);
                   });
}

// addProbeStates({model, layers, sounds, frame_width, utterances: Int32Array, pooled?, places?}, on_event):
// void; each sound alone, so that it does not matter which others there are
Napi::Value add_probe_states(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info,
      [model = unwrap<models::SpeechEncoder>(options.value("model")), layers = options.integers("layers"),
       sounds = read_sounds(options), utterances = options.int32s("utterances"),
       stores = read_states(options)](Job& job) -> Value {
        for (size_t i = 0; i < sounds.size(); i++) {
          const auto states = encode::sound_states(*model, {{sounds[i]}}, layers, job);
          for (const auto& store : stores)
            if (store->of(utterances.at(i)).count > 0) store->set(utterances[i], states[0]);
        }
        return {};
      });
}

// fitProbe({states, layers, standardize, objective, classes, steps, batch_size, lr, weight_decay, seed,
// train: {utterances, targets}, test: {utterances, targets}, path?}, on_event): {layer_weights, course, loss,
// predictions: Int32 ArrayBuffer[]}
Napi::Value fit_probe(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info,
      [states = unwrap<probe::States>(options.value("states")), layers = options.integers("layers"),
       standard = read_standard(options), kind = options.text("objective"), settings = read_fit(options),
       train = read_examples(options.object("train")), test = read_examples(options.object("test")),
       path = options.has("path") ? options.text("path") : std::string()](Job& job) -> Value {
        const auto objective = probe::make_objective(kind);
        probe::Head head(*states, probe::View::of(*states, layers, train.utterances, standard, job),
                         settings.classes);
        const auto course = probe::fit(head, *objective, *states, train, settings, job);
        auto judged = probe::judge(head, *objective, *states, test, job);
        if (!path.empty()) probe::write_head(path, head);
        const auto weights = head.layer_weights();
        return moved_map("layer_weights", Value::List(weights.begin(), weights.end()), "course",
                         Value::List(course.begin(), course.end()), "loss", judged.loss, "predictions",
                         lists_of(std::move(judged.predictions)));
      });
}

}  // namespace tongueforge::binding

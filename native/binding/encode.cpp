// Text encoders: vectors, labels, hidden words. Speech encoders: hidden states. Both: the shapes of
// attention.
#include "encode/encode.h"

#include "binding/exports.h"
#include "binding/handle.h"
#include "binding/moved_map.h"
#include "encode/attention_shapes.h"
#include "encode/sound.h"
#include "kernels/aten.h"
#include "models/token_rows.h"

namespace tongueforge::binding {
namespace {

std::shared_ptr<models::TextEncoder> encoder_of(const Options& options) {
  return unwrap<models::TextEncoder>(options.value("model"));
}

Value to_value(const at::Tensor& rows) {
  const auto dense = rows.contiguous();
  const auto* data = dense.const_data_ptr<float>();
  return moved_map("data", std::vector<float>(data, data + dense.numel()), "shape",
                   Value::List{dense.size(0), dense.size(1)});
}

// Each sound, and where `hidden` is given which of its places are not heard: Int32Array[], 1 where so.
std::vector<encode::Sound> read_marked_sounds(const Options& options) {
  const int64_t width = options.integer("frame_width");
  std::vector<encode::Sound> all;
  for (const auto& values : options.float32_rows("sounds")) {
    const auto data = at::tensor(values, at::kFloat);
    all.push_back({width > 0 ? data.view({-1, width}) : data});
  }
  if (!options.has("hidden")) return all;
  const auto marks = options.rows("hidden");
  for (size_t i = 0; i < all.size(); i++) all[i].hidden_T = at::tensor(marks.at(i), at::kInt).ne(0);
  return all;
}

// One text, as `ids`, or one sound, as `sound` and `frame_width`.
models::Rows read_document(const Options& options, const models::Model& model) {
  if (!options.has("ids")) {
    const int64_t width = options.integer("frame_width");
    const auto values_S = at::tensor(options.float32s("sound"), at::kFloat);
    const auto sound = width > 0 ? values_S.view({-1, width}) : values_S;
    return {{}, at::zeros({1, models::as_speech(model).places(sound.size(0))}, at::kLong), {sound}};
  }
  const auto ids = options.int32s("ids");
  models::check_token_rows({ids}, model.vocab_size());
  const auto ids_BT = at::tensor(ids, at::kLong).unsqueeze(0);
  return {ids_BT, at::zeros_like(ids_BT)};
}

// Of each head three numbers, as HeadShape has them.
Value::List to_value(const std::vector<encode::HeadShape>& heads) {
  Value::List numbers;
  for (const auto& [diagonality, verticality, globality] : heads)
    for (const double number : {diagonality, verticality, globality}) numbers.emplace_back(number);
  return numbers;
}

}  // namespace

// embed({model, rows, pooling: mean | cls, normalize}, on_event): {data: Float32 ArrayBuffer, shape: [N, D]}
Napi::Value embed(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  const auto pooling = options.text("pooling") == "mean" ? encode::Pooling::mean : encode::Pooling::first;
  return start_answer(info,
                      [model = encoder_of(options), rows = options.rows("rows"), pooling,
                       normalised = options.flag("normalize")](Job& job) -> Value {
                        return to_value(encode::embed(*model, rows, pooling, normalised, job));
                      });
}

// classify({model, rows}, on_event): {data: Float32 ArrayBuffer, shape: [N, C]}
Napi::Value classify(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_answer(info, [model = encoder_of(options), rows = options.rows("rows")](Job& job) -> Value {
    return to_value(encode::classify(*model, rows, job));
  });
}

// fillMasks({model, rows, mask_id, top_k}, on_event): {text, place, ids: Int32 ArrayBuffer, probabilities}[]
Napi::Value fill_masks(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_answer(info,
                      [model = encoder_of(options), rows = options.rows("rows"),
                       mask_id = static_cast<int32_t>(options.integer("mask_id")),
                       top_k = options.integer("top_k")](Job& job) -> Value {
                        Value::List all;
                        for (auto& one : encode::fill_masks(*model, rows, mask_id, top_k, job))
                          all.push_back(Value::Map{{"text", one.text},
                                                   {"place", one.place},
                                                   {"ids", std::move(one.ids)},
                                                   {"probabilities", Value::List(one.probabilities.begin(),
                                                                                 one.probabilities.end())}});
                        return all;
                      });
}

// hiddenStates({model, sounds, frame_width, hidden?, layers}, on_event): {places, data: Float32 ArrayBuffer
// (L,T,D)}[]; layer -1 is what the whole model gives
Napi::Value hidden_states(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_answer(
      info,
      [model = unwrap<models::SpeechEncoder>(options.value("model")), sounds = read_marked_sounds(options),
       layers = options.integers("layers")](Job& job) -> Value {
        Value::List all;
        for (const auto& states_LTD : encode::sound_states(*model, sounds, layers, job)) {
          const auto* data = states_LTD.const_data_ptr<float>();
          all.push_back(moved_map("places", states_LTD.size(1), "data",
                                  std::vector<float>(data, data + states_LTD.numel())));
        }
        return all;
      });
}

// attentionShapes({model, ids: Int32Array} | {model, sound: Float32Array, frame_width}, on_event): number[][]
// by layer, of each head its diagonality, verticality and globality
Napi::Value attention_shapes(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  const auto model = unwrap<models::Model>(options.value("model"));
  return start_job(info, [model, document = read_document(options, *model)](Job& job) -> Value {
    Value::List all;
    for (const auto& heads : encode::attention_shapes(*model, document, job)) all.push_back(to_value(heads));
    return all;
  });
}

}  // namespace tongueforge::binding

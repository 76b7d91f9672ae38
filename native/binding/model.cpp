// Models: load, make, save, run.
#include <set>

#include "binding/exports.h"
#include "binding/handle.h"
#include "binding/moved_map.h"
#include "binding/read_spec.h"
#include "generate/generator.h"
#include "kernels/aten.h"
#include "models/decoder.h"
#include "models/device.h"
#include "models/initialise.h"
#include "models/packed_weights.h"
#include "models/text_encoder.h"
#include "models/token_rows.h"
#include "models/weights.h"
#include "score/likelihood.h"
#include "score/score.h"

namespace tongueforge::binding {
namespace {

std::shared_ptr<models::Decoder> decoder_of(const Options& options) {
  return unwrap<models::Decoder>(options.value("model"));
}

// {num_heads, num_kv_heads, intermediate_size, ranks} of a block.
Value to_value(const models::Block& block) {
  Value::Map ranks;
  for (const auto& [name, linear] : block.linears())
    if (linear->factors) ranks.emplace_back(name.substr(block.prefix.size()), linear->factors->rank);
  return Value::Map{{"num_heads", block.sizes.num_heads},
                    {"num_kv_heads", block.sizes.num_kv_heads},
                    {"intermediate_size", block.sizes.intermediate_size},
                    {"ranks", ranks}};
}

generate::GenerateOptions read_generate_options(const Options& options) {
  generate::GenerateOptions read;
  read.max_new_tokens = options.integer("max_new_tokens");
  read.stop_ids = options.int32s("stop_ids");
  read.stream = options.flag("stream");
  read.sampling = {options.number("temperature"),
                   options.integer("top_k"),
                   options.number("top_p"),
                   options.number("min_p"),
                   options.number("repetition_penalty"),
                   static_cast<uint64_t>(options.integer("seed"))};
  return read;
}

std::string device_name(const Options& options) {
  return options.has("device") ? options.text("device") : "cpu";
}

models::InitOptions read_init_options(const Options& options) {
  models::InitOptions read;
  read.seed = static_cast<uint64_t>(options.integer("seed"));
  read.embedding_std = options.number("embedding_std");
  read.matrix_std = options.number("matrix_std");
  read.matrix_gain = options.number("matrix_gain");
  read.attention_output_gain = options.number("attention_output_gain");
  read.mlp_output_gain = options.number("mlp_output_gain");
  read.correlation = options.number("correlation");
  for (const auto& pair : options.rows("related_rows"))
    read.related_rows.emplace_back(pair.at(0), pair.at(1));
  return read;
}

// (B,T) -> (B,T,V): of the next token, or of an encoder's own.
at::Tensor logits_of(const models::Model& model, const at::Tensor& ids_BT, const Job& job) {
  if (const auto* decoder = dynamic_cast<const models::Decoder*>(&model))
    return decoder->logits(decoder->hidden(ids_BT, nullptr, &job));
  const auto& encoder = models::as_masked_lm(model);
  return encoder.token_logits(encoder.hidden_packed({ids_BT, at::zeros_like(ids_BT)}, &job));
}

// {name, stored_as, shape, bits, nan, inf, zero} of a weight.
Value to_value(const models::PackedWeight& weight) {
  const auto& codes = weight.quantized.codes;
  const auto scales = weight.quantized.scales_OG.to(at::kFloat);
  const auto count = [](const at::Tensor& flags) { return flags.sum().item<int64_t>(); };
  const auto zero = weight.quantized.dense().eq(0);
  return Value::Map{{"name", weight.name},
                    {"stored_as", Value::List(weight.stored_as.begin(), weight.stored_as.end())},
                    {"shape", Value::List{codes.outputs(), codes.inputs()}},
                    {"bits", codes.bits()},
                    {"nan", count(scales.isnan())},
                    {"inf", count(scales.isinf())},
                    {"zero", count(zero)}};
}

/// What a spec says of quantisation.
nn::Packing read_packing(const Options& spec) {
  if (!spec.has("quantization")) return {};
  const Options quantization = spec.object("quantization");
  return {quantization.integer("bits"), quantization.integer("group"), quantization.flag("symmetric")};
}

}  // namespace

// inspectPacked({folder}, on_event): {name, stored_as, shape, bits, nan, inf, zero}[]; quantised weights
Napi::Value inspect_packed(const Napi::CallbackInfo& info) {
  return start_job(info, [folder = Options(info[0]).text("folder")](Job& job) -> Value {
    Value::List all;
    models::for_packed_weights(folder, job,
                               [&](const models::PackedWeight& weight) { all.push_back(to_value(weight)); });
    return all;
  });
}

// loadModel({folder, spec, dtype, device?, in_float32?}, on_event): Handle
Napi::Value load_model(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  const auto names = options.has("in_float32") ? options.texts("in_float32") : std::vector<std::string>();
  return start_job(
      info,
      [folder = options.text("folder"), model = make_model(options.object("spec")),
       dtype = models::scalar_type_from_name(options.text("dtype")),
       in_float32 = std::set<std::string>(names.begin(), names.end()),
       packing = read_packing(options.object("spec")), device = device_name(options)](Job& job) -> Value {
        models::load_weights(*model, folder, dtype, models::device_from_name(device), job, in_float32,
                             packing);
        return model;
      });
}

// checkModel({folder, spec}, on_event): void; what loadModel would refuse of names and shapes
Napi::Value check_model(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info, [folder = options.text("folder"), model = make_model(options.object("spec"))](Job&) -> Value {
        models::check_weights(*model, folder);
        return {};
      });
}

// initialiseModel({spec, init, device?}, on_event): Handle; drawn on the CPU, the same for every device
Napi::Value initialise_model(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info,
      [model = make_model(options.object("spec")), init = read_init_options(options.object("init")),
       device = device_name(options)](Job&) -> Value {
        const auto there = models::device_from_name(device);
        models::initialise(*model, init);
        models::move_to(*model, there);
        return model;
      });
}

// moveModel({model, device}, on_event): void
Napi::Value move_model(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info,
      [model = unwrap<models::Model>(options.value("model")), device = device_name(options)](Job&) -> Value {
        models::move_to(*model, models::device_from_name(device));
        return {};
      });
}

// saveModel({model, folder, dtype, max_shard_bytes}, on_event): {bytes}
Napi::Value save_model(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info,
      [model = unwrap<models::Model>(options.value("model")), folder = options.text("folder"),
       dtype = models::scalar_type_from_name(options.text("dtype")),
       max_shard_bytes = options.integer("max_shard_bytes")](Job& job) -> Value {
        return Value::Map{{"bytes", models::save_weights(*model, folder, dtype, max_shard_bytes, job)}};
      });
}

// describeBlocks({model}, on_event): {num_heads, num_kv_heads, intermediate_size, ranks}[]; as they are now
Napi::Value describe_blocks(const Napi::CallbackInfo& info) {
  return start_job(info, [model = unwrap<models::Model>(Options(info[0]).value("model"))](Job&) -> Value {
    Value::List all;
    for (const auto& block : model->blocks()) all.push_back(to_value(block));
    return all;
  });
}

// logits({model, rows}, on_event): {data: Float32 ArrayBuffer, shape: [B, T, V]}
Napi::Value logits(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_answer(
      info,
      [model = unwrap<models::Model>(options.value("model")),
       rows = options.rows("rows")](Job& job) -> Value {
        const at::NoGradGuard no_grad;
        models::check_token_rows(rows, model->vocab_size());
        const auto logits_BTV =
            logits_of(*model, models::stack_rows(rows), job).to(at::kCPU, at::kFloat).contiguous();
        const auto* data = logits_BTV.data_ptr<float>();
        return moved_map("data", std::vector<float>(data, data + logits_BTV.numel()), "shape",
                         Value::List{logits_BTV.size(0), logits_BTV.size(1), logits_BTV.size(2)});
      });
}

// generate({model, prompts, max_new_tokens, stop_ids, stream, ...sampling}, on_event): {ids: Int32
// ArrayBuffer, stopped}[]
Napi::Value generate(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_answer(info,
                      [model = decoder_of(options), prompts = options.rows("prompts"),
                       settings = read_generate_options(options)](Job& job) -> Value {
                        Value::List results;
                        for (auto& row : generate::generate(*model, prompts, settings, job))
                          results.push_back(moved_map("ids", std::move(row.ids), "stopped", row.stopped));
                        return results;
                      });
}

// score({model, rows, window, stride, first_target}, on_event): {tokens, nll}[]
Napi::Value score(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  const score::ScoreOptions settings = {options.integer("window"), options.integer("stride"),
                                        options.integer("first_target")};
  return start_answer(
      info, [model = decoder_of(options), rows = options.rows("rows"), settings](Job& job) -> Value {
        Value::List results;
        for (const auto& row : score::score(*model, rows, settings, job))
          results.push_back(Value::Map{{"tokens", row.tokens}, {"nll", row.nll}});
        return results;
      });
}

// likelihoods({model, rows, first_targets, batch_tokens}, on_event): {log_likelihood, is_greedy}[]
Napi::Value likelihoods(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  std::vector<score::LikelihoodRequest> requests;
  const auto first_targets = options.int32s("first_targets");
  for (auto& row : options.rows("rows"))
    requests.push_back({std::move(row), first_targets.at(requests.size())});
  const score::LikelihoodOptions settings = {options.integer("batch_tokens")};
  return start_answer(
      info, [model = decoder_of(options), requests = std::move(requests), settings](Job& job) -> Value {
        Value::List results;
        for (const auto& one : score::likelihoods(*model, requests, settings, job))
          results.push_back(Value::Map{{"log_likelihood", one.log_likelihood}, {"is_greedy", one.is_greedy}});
        return results;
      });
}

}  // namespace tongueforge::binding

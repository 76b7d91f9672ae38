// An engine that answers many requests on one model: a job runs while there are any, and tells of all of
// them.
#include "binding/exports.h"
#include "binding/handle.h"
#include "models/decoder.h"
#include "serve/engine.h"

namespace tongueforge::binding {
namespace {

std::shared_ptr<serve::Engine> engine_of(const Options& options) {
  return unwrap<serve::Engine>(options.value("engine"));
}

serve::EngineOptions read_engine_options(const Options& options) {
  serve::EngineOptions read;
  read.seats = options.integer("sequences");
  read.queue = options.integer("queue");
  read.cache_bytes = options.integer("cache_bytes");
  read.context = options.integer("context");
  read.keeps_prefixes = options.flag("prefix_cache");
  read.most_unheard = options.integer("most_unheard");
  return read;
}

serve::Request read_request(const Options& options) {
  return {options.int32s("prompt"),
          options.integer("max_new_tokens"),
          options.int32s("stop_ids"),
          {options.number("temperature"), options.integer("top_k"), options.number("top_p"),
           options.number("min_p"), options.number("repetition_penalty"),
           static_cast<uint64_t>(options.integer("seed"))},
          options.integer("log_probs")};
}

// {index, log_prob, ids: Int32 ArrayBuffer, log_probs: Float32 ArrayBuffer}; index: among the tokens of the
// event
Value log_probs_of(size_t index, const serve::Token& token) {
  std::vector<int32_t> ids;
  std::vector<float> log_probs;
  for (const auto& one : token.top) ids.push_back(one.id), log_probs.push_back(one.log_prob);
  return Value::Map{{"index", static_cast<int64_t>(index)},
                    {"log_prob", static_cast<double>(*token.log_prob)},
                    {"ids", std::move(ids)},
                    {"log_probs", std::move(log_probs)}};
}

// {request, reason, prompt_tokens, cached_tokens, new_tokens, error?: {code, message, hint}}
Value to_value(const serve::End& end) {
  constexpr const char* kReasons[] = {"stop", "length", "cancelled", "failed"};
  Value::Map map = {{"request", end.request},
                    {"reason", kReasons[static_cast<size_t>(end.reason)]},
                    {"prompt_tokens", end.usage.prompt_tokens},
                    {"cached_tokens", end.usage.cached_tokens},
                    {"new_tokens", end.usage.new_tokens}};
  if (end.error)
    map.emplace_back("error", Value::Map{{"code", end.error->code()},
                                         {"message", end.error->message()},
                                         {"hint", end.error->hint()}});
  return map;
}

/// Tells a job what becomes of requests: an item a step.
class JobAudience final : public serve::Audience {
 public:
  explicit JobAudience(Job& job) : job_(job) {}

  void hear(const std::vector<serve::Token>& tokens, const std::vector<serve::End>& ends) override {
    std::vector<int32_t> requests, ids;
    Value::List log_probs, ended;
    for (size_t i = 0; i < tokens.size(); i++) {
      requests.push_back(static_cast<int32_t>(tokens[i].request));
      ids.push_back(tokens[i].id);
      if (tokens[i].log_prob) log_probs.push_back(log_probs_of(i, tokens[i]));
    }
    for (const auto& end : ends) ended.push_back(to_value(end));
    job_.emit(Value::Map{{"requests", std::move(requests)},
                         {"ids", std::move(ids)},
                         {"log_probs", std::move(log_probs)},
                         {"ended", std::move(ended)}});
  }

 private:
  Job& job_;
};

}  // namespace

// makeEngine({model, sequences, queue, cache_bytes, context, prefix_cache, most_unheard, threads}, on_event):
// Handle
Napi::Value make_engine(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info,
      [model = unwrap<models::Decoder>(options.value("model")), settings = read_engine_options(options)](
          Job&) -> Value { return std::make_shared<serve::Engine>(model, settings); });
}

// runEngine({engine, threads}, on_event): void, when no request is left; items {requests: Int32 ArrayBuffer,
// ids, log_probs, ended}
Napi::Value run_engine(const Napi::CallbackInfo& info) {
  return start_answer(info, [engine = engine_of(Options(info[0]))](Job& job) -> Value {
    JobAudience audience(job);
    engine->run(audience, job);
    return {};
  });
}

// isServing(): whether there is an engine in this process, whichever of its environments made it
Napi::Value is_serving(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), serve::Engine::alive() > 0);
}

// submitRequest({engine, prompt, max_new_tokens, stop_ids, log_probs, ...sampling}): number
Napi::Value submit_request(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  const int64_t number = engine_of(options)->submit(read_request(options));
  return Napi::Number::New(info.Env(), static_cast<double>(number));
}

// cancelRequest({engine, request}): void
Napi::Value cancel_request(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  engine_of(options)->cancel(options.integer("request"));
  return info.Env().Undefined();
}

// useWeights({engine, model}): void
Napi::Value use_weights(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  engine_of(options)->use(unwrap<models::Decoder>(options.value("model")));
  return info.Env().Undefined();
}

// acknowledgeTokens({engine, tokens}): void
Napi::Value acknowledge_tokens(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  engine_of(options)->acknowledge(options.integer("tokens"));
  return info.Env().Undefined();
}

// engineStats({engine}): EngineStats
Napi::Value engine_stats(const Napi::CallbackInfo& info) {
  const auto stats = engine_of(Options(info[0]))->stats();
  const std::pair<const char*, double> table[] = {{"running", stats.running},
                                                  {"waiting", stats.waiting},
                                                  {"pages", stats.pages},
                                                  {"pages_in_use", stats.pages_in_use},
                                                  {"pages_kept", stats.pages_kept},
                                                  {"page_size", stats.page_size},
                                                  {"context", stats.context},
                                                  {"prompt_tokens", stats.prompt_tokens},
                                                  {"cached_tokens", stats.cached_tokens},
                                                  {"new_tokens", stats.new_tokens},
                                                  {"ended", stats.ended},
                                                  {"refused", stats.refused},
                                                  {"unseated", stats.unseated},
                                                  {"steps", stats.steps},
                                                  {"busy_seconds", stats.busy_seconds}};
  auto result = Napi::Object::New(info.Env());
  for (const auto& [name, value] : table) result.Set(name, value);
  return result;
}

}  // namespace tongueforge::binding

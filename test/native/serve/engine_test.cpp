#include "serve/engine.h"

#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/random.h"
#include "doctest.h"
#include "fixtures.h"
#include "generate/generator.h"
#include "kernels/aten.h"

using namespace tongueforge;
using serve::Engine;
using serve::EngineOptions;
using serve::Reason;
using serve::Request;
using test::Answer;
using test::long_decoder;
using test::Scribe;
using test::with_pages;

namespace {

Answer alone(const std::shared_ptr<models::Decoder>& model, const Request& request) {
  Engine engine(model, with_pages(*model, 7));
  Scribe scribe;
  const int64_t number = engine.submit(request);
  engine.run(scribe, SilentJob());
  return scribe.answers[number];
}

std::string code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) { return error.code() + ": " + error.message() + " " + error.hint(); }
  return "accepted";
}

Request random_request(Random& random, const std::vector<int32_t>& common) {
  const auto below = [&](uint64_t n) { return static_cast<int64_t>(random.next() % n); };
  Request request;
  if (below(2) == 0) request.prompt = common;
  for (int64_t i = 0; i <= below(60); i++) request.prompt.push_back(static_cast<int32_t>(below(50)));
  request.max_new_tokens = below(30);
  request.stop_ids = {static_cast<int32_t>(below(50))};
  request.sampling.temperature = below(2) == 0 ? 0.0 : 1.0;
  request.sampling.seed = random.next();
  request.sampling.repetition_penalty = below(4) == 0 ? 1.3 : 1.0;
  request.log_probs = 0;
  return request;
}

}  // namespace

TEST_CASE("an engine gives the greedy tokens of generate") {
  const auto model = test::tiny_decoder();
  SilentJob job;
  for (int32_t first = 0; first < 20; first++) {
    const std::vector<int32_t> prompt = {first, 3, 9};
    const auto expected = generate::generate(*model, {prompt}, {.max_new_tokens = 20}, job)[0].ids;
    CHECK(alone(model, {.prompt = prompt, .max_new_tokens = 20}).ids == expected);
  }
}

TEST_CASE("an engine and generate end with the same position, a stretched one too") {
  for (const auto kind : {nn::RopeKind::standard, nn::RopeKind::yarn}) {
    auto spec = test::tiny_spec();
    spec.rope = {.kind = kind, .factor = 2, .original_max_positions = spec.max_positions};
    const int64_t positions = kind == nn::RopeKind::yarn ? 128 : 64;
    const auto model = test::tiny_decoder(spec);
    CHECK(Engine(model, with_pages(*model, 7)).stats().context == positions);
    const std::vector<int32_t> prompt(static_cast<size_t>(positions - 10), 3);
    SilentJob job;
    const auto expected = generate::generate(*model, {prompt}, {.max_new_tokens = 20}, job)[0].ids;
    CHECK(expected.size() == 10);
    CHECK(alone(model, {.prompt = prompt, .max_new_tokens = 20}).ids == expected);
  }
}

TEST_CASE(
    "a request is answered bit for bit as alone, whoever comes and goes beside it, pages found and seats "
    "lost") {
  const auto model = long_decoder();
  int64_t unseated = 0, cached = 0;
  for (uint64_t seed = 1; seed <= 8; seed++) {
    CAPTURE(seed);
    Random random(seed);
    auto options = with_pages(*model, 7 + static_cast<int64_t>(random.next() % 12));
    options.seats = 1 + static_cast<int64_t>(random.next() % 9);
    options.keeps_prefixes = seed % 4 != 0;
    options.step_seconds = 1e-4;
    Engine engine(model, options);
    Scribe scribe;
    const std::vector<int32_t> common(70, 5);
    std::map<int64_t, Request> requests;
    scribe.after_step = [&] {
      if (requests.size() < 24 && (random.next() % 3 == 0 || engine.stats().running < 2)) {
        const auto request = random_request(random, common);
        requests[engine.submit(request)] = request;
      }
      if (random.next() % 40 == 0) engine.cancel(1 + static_cast<int64_t>(random.next() % 24));
    };
    for (int i = 0; i < 12; i++) {
      const auto request = random_request(random, common);
      requests[engine.submit(request)] = request;
    }
    engine.run(scribe, SilentJob());
    for (const auto& [number, request] : requests) {
      CAPTURE(number);
      const auto& answer = scribe.answers[number];
      const auto expected = alone(model, request);
      REQUIRE(answer.end);
      const auto told = answer.ids.size();
      if (answer.end->reason != Reason::cancelled) {
        CHECK(told == expected.ids.size());
        CHECK(answer.end->reason == expected.end->reason);
      }
      REQUIRE(told <= expected.ids.size());
      CHECK(std::equal(answer.ids.begin(), answer.ids.end(), expected.ids.begin()));
      CHECK(std::equal(answer.log_probs.begin(), answer.log_probs.end(), expected.log_probs.begin()));
    }
    const auto stats = engine.stats();
    CHECK(stats.ended == 24);
    CHECK(stats.running + stats.waiting + stats.pages_in_use == 0);
    unseated += stats.unseated, cached += stats.cached_tokens;
  }
  CHECK(unseated > 0);  // or nothing was shown
  CHECK(cached > 0);
}

TEST_CASE("a prompt that begins like another finds its pages, full ones, and never its last token") {
  const auto model = long_decoder();
  Engine engine(model, with_pages(*model, 16));
  Scribe scribe;
  std::vector<int64_t> numbers;
  scribe.after_step = [&] {
    if (numbers.size() == 3) return;
    if (scribe.answers.contains(numbers.back()) && scribe.answers[numbers.back()].end)
      numbers.push_back(engine.submit({.prompt = std::vector<int32_t>(64, 4), .max_new_tokens = 3}));
  };
  numbers.push_back(engine.submit({.prompt = std::vector<int32_t>(64, 4), .max_new_tokens = 3}));
  engine.run(scribe, SilentJob());
  CHECK(scribe.answers[numbers[0]].end->usage.cached_tokens == 0);
  CHECK(scribe.answers[numbers[1]].end->usage.cached_tokens == 32);
  CHECK(scribe.answers[numbers[1]].end->usage.prompt_tokens == 64);
  CHECK(scribe.answers[numbers[1]].end->usage.new_tokens == 3);
}

TEST_CASE("requests go on with the weights that they began with, and find no pages of others") {
  const auto before = long_decoder(7), after = long_decoder(8);
  const Request request = {.prompt = std::vector<int32_t>(40, 4), .max_new_tokens = 12};
  Engine engine(before, with_pages(*before, 16));
  Scribe scribe;
  const int64_t first = engine.submit(request);
  int64_t second = 0;
  scribe.after_step = [&] {
    if (second > 0 || scribe.answers[first].ids.size() < 4) return;
    engine.use(after);
    second = engine.submit(request);
  };
  engine.run(scribe, SilentJob());
  CHECK(scribe.answers[first].ids == alone(before, request).ids);
  CHECK(scribe.answers[second].ids == alone(after, request).ids);
  CHECK(scribe.answers[first].ids != scribe.answers[second].ids);
  CHECK(scribe.answers[second].end->usage.cached_tokens == 0);
}

TEST_CASE("logits that are not finite end their own request and no other") {
  const auto model = long_decoder();
  model->parameters()[0].tensor->data().select(0, 49).fill_(std::numeric_limits<float>::quiet_NaN());
  model->untie_head();
  const Request good = {.prompt = {1, 2, 3}, .max_new_tokens = 9};
  Engine engine(model, with_pages(*model, 7));
  Scribe scribe;
  const int64_t bad = engine.submit({.prompt = {1, 49}, .max_new_tokens = 9}), beside = engine.submit(good);
  engine.run(scribe, SilentJob());
  CHECK(scribe.answers[bad].end->reason == Reason::failed);
  CHECK(scribe.answers[bad].end->error->code() == "ERR_NON_FINITE");
  CHECK(scribe.answers[beside].end->reason == Reason::length);
  CHECK(scribe.answers[beside].ids.size() == 9);
}

TEST_CASE("log-probabilities are of the model itself, the most probable first") {
  const auto model = long_decoder();
  Engine engine(model, with_pages(*model, 7));
  std::vector<serve::Token> heard;
  struct Listener final : serve::Audience {
    explicit Listener(std::vector<serve::Token>& all) : all(all) {}
    void hear(const std::vector<serve::Token>& tokens, const std::vector<serve::End>&) override {
      all.insert(all.end(), tokens.begin(), tokens.end());
    }
    std::vector<serve::Token>& all;
  } listener(heard);
  std::vector<int32_t> prompt(50);  // every token has occurred: the penalty changes each logit
  std::iota(prompt.begin(), prompt.end(), 0);
  engine.submit({.prompt = prompt,
                 .max_new_tokens = 6,
                 .sampling = {.temperature = 2.0, .repetition_penalty = 1.5},
                 .log_probs = 50});
  engine.run(listener, SilentJob());
  const at::NoGradGuard no_grad;
  std::vector<int64_t> ids(prompt.begin(), prompt.end());
  for (const auto& token : heard) {
    const auto logits = model->logits(model->hidden(at::tensor(ids, at::kLong).unsqueeze(0)).select(1, -1));
    const auto expected = logits.to(at::kDouble).log_softmax(-1)[0];
    REQUIRE(token.top.size() == 50);
    CHECK(std::abs(*token.log_prob - expected[token.id].item<double>()) < 1e-4);
    double total = 0;
    for (size_t i = 0; i < 50; i++) {
      CHECK(std::abs(token.top[i].log_prob - expected[token.top[i].id].item<double>()) < 1e-4);
      if (i > 0) CHECK(token.top[i].log_prob <= token.top[i - 1].log_prob);
      total += std::exp(token.top[i].log_prob);
    }
    CHECK(std::abs(total - 1) < 1e-5);
    ids.push_back(token.id);
  }
  CHECK(ids.size() == 56);
}

TEST_CASE(
    "a request that is cancelled ends before its next token, and who waits has its place in the next step") {
  const auto model = long_decoder();
  for (const size_t prompt : {size_t{1}, size_t{150}}) {  // while it answers; while its prompt is read
    auto options = with_pages(*model, 7);
    options.seats = 1;
    Engine engine(model, options);
    Scribe scribe;
    const int64_t first = engine.submit({.prompt = std::vector<int32_t>(prompt, 3), .max_new_tokens = 40});
    const int64_t second = engine.submit({.prompt = {4}, .max_new_tokens = 2});
    int64_t steps_at_cancel = -1, steps_at_answer = -1;
    size_t heard = 0;
    const auto cancel = [&] {
      heard = scribe.answers[first].ids.size();
      steps_at_cancel = engine.stats().steps;
      engine.cancel(first);
    };
    scribe.after_step = [&] {
      if (steps_at_cancel < 0 && scribe.answers[first].ids.size() == 3) cancel();
      if (steps_at_answer < 0 && !scribe.answers[second].ids.empty()) steps_at_answer = engine.stats().steps;
    };
    if (prompt > 1) cancel();
    engine.run(scribe, SilentJob());
    CHECK(scribe.answers[first].end->reason == Reason::cancelled);
    CHECK(scribe.answers[first].ids.size() == heard);
    CHECK(steps_at_answer == steps_at_cancel + 1);
    CHECK(engine.stats().pages_in_use == 0);
  }
}

TEST_CASE("what an engine cannot hold or run is refused with the numbers") {
  const auto model = long_decoder();
  auto options = with_pages(*model, 2);
  options.context = 65;
  CHECK(code_of([&] { Engine(model, options); })
            .find("ERR_OUT_OF_MEMORY: A cache of 16384 bytes holds 64 positions of 256 bytes: expected room "
                  "for one sequence "
                  "of 65 Give it at least 24576 bytes") == 0);
  options.context = 201;
  CHECK(code_of([&] {
          Engine(model, options);
        }).find("ERR_CONTEXT: Expected a context of at most 200 positions") == 0);
  options.context = 0;
  options.seats = 1, options.queue = 2;
  Engine engine(model, options);
  CHECK(engine.stats().context == 64);
  const auto submit = [&](std::vector<int32_t> prompt) {
    return code_of([&] { engine.submit({std::move(prompt)}); });
  };
  CHECK(submit(std::vector<int32_t>(64, 1))
            .find("ERR_CONTEXT: Expected a prompt of 1 to 63 tokens, received 64 The context has 64") == 0);
  CHECK(submit({}).find("ERR_DATA: Expected a prompt of at least one token, received none") == 0);
  CHECK(submit({1, 50}).find("ERR_DATA: Expected token ids from 0 to 49, received 50 at 1") == 0);
  for (int i = 0; i < 3; i++) CHECK(submit({1}) == "accepted");
  CHECK(submit({1}).find("ERR_QUEUE_FULL: Expected at most 3 requests at a time (1 that run, 2 that wait)") ==
        0);
  CHECK(engine.stats().refused == 1);
  Scribe scribe;
  engine.run(scribe, SilentJob());
  CHECK(scribe.answers.size() == 3);
  CHECK(scribe.answers[1].ids.size() == 63);  // 256 were asked for: the context ends them
  CHECK(scribe.answers[1].end->reason == Reason::length);
}

#include "score/likelihood.h"

#include <cmath>

#include "cancels_after.h"
#include "core/error.h"
#include "doctest.h"
#include "gpu.h"
#include "kernels/aten.h"
#include "kernels/target_scores.h"
#include "models/device.h"
#include "models/tiny_decoder.h"
#include "peak_memory.h"

using namespace tongueforge;
using Request = score::LikelihoodRequest;

namespace {

std::vector<int32_t> random_ids(int64_t length, uint64_t seed) {
  const auto ids = at::randint(0, 50, {length}, at::detail::createCPUGenerator(seed), at::kInt);
  return {ids.data_ptr<int32_t>(), ids.data_ptr<int32_t>() + length};
}

Request request(std::vector<int32_t> context, const std::vector<int32_t>& continuation) {
  const auto first = static_cast<int64_t>(context.size());
  context.insert(context.end(), continuation.begin(), continuation.end());
  return {context, first};
}

// By one pass over the whole row, with all logits there.
score::Likelihood plainly(const models::Decoder& model, const Request& request) {
  const at::NoGradGuard no_grad;
  const std::vector<int64_t> ids(request.ids.begin(), request.ids.end());
  const auto ids_T = at::tensor(ids, at::kLong);
  const auto logits_TV = model.logits(model.hidden(ids_T.slice(0, 0, -1).unsqueeze(0)).squeeze(0));
  const auto log_probs_TV = at::log_softmax(logits_TV.to(at::kDouble), 1);
  score::Likelihood result;
  for (int64_t i = request.first_target; i < ids_T.size(0); i++) {
    result.log_likelihood += log_probs_TV[i - 1][ids[i]].item<double>();
    result.is_greedy = result.is_greedy && logits_TV[i - 1].argmax().item<int64_t>() == ids[i];
  }
  return result;
}

void check_all(const models::Decoder& model, const std::vector<Request>& requests, int64_t batch_tokens = 0) {
  SilentJob job;
  const auto results = score::likelihoods(model, requests, {batch_tokens}, job);
  REQUIRE(results.size() == requests.size());
  for (size_t i = 0; i < requests.size(); i++) {
    const auto expected = plainly(model, requests[i]);
    CAPTURE(i);
    CHECK(results[i].log_likelihood == doctest::Approx(expected.log_likelihood).epsilon(1e-5));
    CHECK(results[i].is_greedy == expected.is_greedy);
  }
}

// Questions with answers of any length, each with what the model itself would say as one of them.
std::vector<Request> questions(const models::Decoder& model, int64_t shared, uint64_t seed) {
  std::vector<Request> requests;
  const auto examples = random_ids(shared, seed);
  for (uint64_t question = 0; question < 5; question++) {
    auto context = examples;
    const auto own = random_ids(3 + static_cast<int64_t>(question) * 2, seed + question + 1);
    context.insert(context.end(), own.begin(), own.end());
    for (uint64_t answer = 0; answer < 3; answer++)
      requests.push_back(request(context, random_ids(1 + static_cast<int64_t>(answer), seed + 10 * answer)));
    const std::vector<int64_t> ids(context.begin(), context.end());
    const auto likeliest =
        model.logits(model.hidden(at::tensor(ids, at::kLong).unsqueeze(0))[0][-1]).argmax().item<int64_t>();
    requests.push_back(request(context, {static_cast<int32_t>(likeliest)}));
  }
  return requests;
}

}  // namespace

TEST_CASE("log-likelihoods are those of one pass a request, however requests are read") {
  const at::NoGradGuard no_grad;
  for (const int64_t window : {0, 12}) {
    const auto model = test::tiny_decoder(test::tiny_spec(window));
    for (const int64_t shared : {1, 8, 30})
      for (const int64_t batch_tokens : {1, 40, 4096}) {
        CAPTURE(window);
        CAPTURE(shared);
        CAPTURE(batch_tokens);
        check_all(*model, questions(*model, shared, 100), batch_tokens);
      }
  }
}

TEST_CASE("a beginning that depends on the length of the row is not shared") {
  auto spec = test::tiny_spec();
  spec.rope.kind = nn::RopeKind::dynamic;
  spec.rope.factor = 4;
  spec.rope.original_max_positions = 16;
  const auto model = test::tiny_decoder(spec);
  check_all(*model, questions(*model, 30, 7));
}

TEST_CASE("answers that differ in their last token alone, and the same request twice") {
  const auto model = test::tiny_decoder();
  const auto context = random_ids(9, 4);
  std::vector<Request> requests;
  for (int32_t token = 0; token < 50; token++) requests.push_back(request(context, {token}));
  requests.push_back(requests[3]);
  check_all(*model, requests);
  SilentJob job;
  double sum = 0;
  int64_t greedy = 0;
  for (const auto& one : score::likelihoods(*model, {requests.begin(), requests.end() - 1}, {}, job)) {
    sum += std::exp(one.log_likelihood);
    greedy += one.is_greedy;
  }
  CHECK(sum == doctest::Approx(1));
  CHECK(greedy == 1);
}

TEST_CASE("a row as long as the model has positions, and continuations of all but its first token") {
  const auto model = test::tiny_decoder();
  check_all(*model,
            {request(random_ids(1, 1), random_ids(64, 2)), request(random_ids(60, 1), random_ids(5, 3))});
}

TEST_CASE("requests without a context, of no tokens of the model or longer than it reads are refused") {
  const auto model = test::tiny_decoder();
  SilentJob job;
  const auto refused = [&](const Request& bad, const char* expected) {
    try {
      score::likelihoods(*model, {request({1}, {2}), bad}, {}, job);
      FAIL("expected an error");
    } catch (const Error& error) {
      CHECK(error.code() == "ERR_DATA");
      CHECK(error.message().find(expected) != std::string::npos);
    }
  };
  refused({{1, 2}, 0}, "a context and a continuation in request 1");
  refused({{1, 2}, 2}, "a context and a continuation in request 1");
  refused({{1, 50}, 1}, "received 50");
  refused(request({1}, random_ids(65, 1)), "at most 64 positions in request 1, received 65");
}

TEST_CASE("a model that holds NaN has no log-likelihood, and says so") {
  const auto model = test::tiny_decoder();
  model->parameters().back().tensor->fill_(NAN);
  SilentJob job;
  CHECK_THROWS_AS(score::likelihoods(*model, {request({1}, {2})}, {}, job), tongueforge::Error);
}

TEST_CASE("cancelled work stops, whichever way a request is read") {
  const auto model = test::tiny_decoder();
  const auto requests = questions(*model, 30, 1);
  for (const int questions_asked : {0, 1, 2, 3, 5}) {
    test::CancelsAfter job(questions_asked);
    CHECK_THROWS_AS(score::likelihoods(*model, requests, {16}, job), Cancelled);
  }
}

TEST_CASE("logits of a long text never exist at once") {
  auto spec = test::tiny_spec();
  spec.vocab_size = 30'000;
  spec.max_positions = 3'000;
  const auto model = test::tiny_decoder(spec);
  SilentJob job;
  const auto text = request(random_ids(1, 1), random_ids(3'000, 2));
  const int64_t peak = test::peak_memory([&] { score::likelihoods(*model, {text}, {}, job); });
  const int64_t all_logits = 3'000 * 30'000 * 4;
  CHECK(peak < all_logits / 3);  // a piece of 64 MB, and what its greatest is looked for in
}

TEST_CASE("cuda: log-likelihoods are those of the CPU") {
  const auto gpu = test::gpu();
  if (!gpu) return;
  const auto model = test::tiny_decoder();
  const auto requests = questions(*model, 30, 1);
  SilentJob job;
  const auto expected = score::likelihoods(*model, requests, {}, job);
  models::move_to(*model, *gpu);
  const auto results = score::likelihoods(*model, requests, {40}, job);
  for (size_t i = 0; i < results.size(); i++) {
    CHECK(results[i].log_likelihood == doctest::Approx(expected[i].log_likelihood).epsilon(1e-4));
    CHECK(results[i].is_greedy == expected[i].is_greedy);
  }
}

TEST_CASE("targets are scored in chunks as at once, in every dtype") {
  const auto generator = at::detail::createCPUGenerator(5);
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf, at::kDouble}) {
    const auto hidden = at::randn({23, 16}, generator).to(dtype),
               weight = at::randn({40, 16}, generator).to(dtype);
    const auto targets = at::randint(0, 40, {23}, generator, at::kLong);
    // In the same pieces: a product in 16 bits may round otherwise with another number of rows.
    std::vector<at::Tensor> pieces;
    for (const auto& rows : hidden.split(5)) pieces.push_back(at::matmul(rows, weight.t()));
    const auto logits = at::cat(pieces);
    const auto scores = kernels::target_scores(hidden, weight, targets, {.rows = 5});
    const auto expected = logits.to(at::kDouble).log_softmax(1).gather(1, targets.unsqueeze(1)).squeeze(1);
    CHECK((scores.log_probs.to(at::kDouble) - expected).abs().max().item<double>() < 2e-5);
    CHECK(scores.is_best.equal(logits.to(at::kFloat).argmax(1).eq(targets)));
  }
}

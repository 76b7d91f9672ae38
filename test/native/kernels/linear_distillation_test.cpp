// Laws of distillation. The harness (ops_test.cpp) compares it with its plain composition and with finite
// differences.
#include "kernels/linear_distillation.h"

#include "doctest.h"
#include "kernels/aten.h"
#include "kernels/linear_cross_entropy.h"
#include "op_case.h"

using namespace tongueforge;
using namespace tongueforge::test;
using kernels::Divergence;
using kernels::HeadInputs;

namespace {

constexpr int64_t kRows = 23, kVocab = 37, kWidth = 12;

// Rows, a head and targets of which every fifth is none.
struct Case {
  HeadInputs student, teacher;
  at::Tensor targets;
};

Case draw_case(uint64_t seed, at::ScalarType dtype = at::kFloat, int64_t teacher_width = 20) {
  Draw draw(seed);
  const auto head = [&](int64_t width) {
    return HeadInputs{draw.normal({kRows, width}).to(dtype), draw.normal({kVocab, width}).mul(0.5).to(dtype)};
  };
  auto targets = draw.below(kVocab, {kRows});
  targets.slice(0, 0, kRows, 5).fill_(-100);
  return {head(kWidth), head(teacher_width), targets};
}

struct Outcome {
  double total, nll, divergence;
  at::Tensor hidden, weight;  // gradients
};

Outcome run(const Case& c, const kernels::DistillationOptions& options) {
  const HeadInputs student = {c.student.hidden.detach().requires_grad_(true),
                              c.student.weight.detach().requires_grad_(true)};
  const auto parts = kernels::linear_distillation(student, c.teacher, c.targets, options);
  parts.total.backward();
  return {parts.total.item<double>(), parts.nll.item<double>(), parts.divergence.item<double>(),
          student.hidden.grad(), student.weight.grad()};
}

template <class Body>
void for_seeds(const Body& body) {
  for (uint64_t seed = 1; seed <= 5; seed++) {
    CAPTURE(seed);
    body(seed);
  }
}

}  // namespace

TEST_CASE("a student that is its teacher has no divergence and no gradient, at any temperature") {
  for_seeds([](uint64_t seed) {
    auto c = draw_case(seed);
    c.teacher = c.student;
    for (const auto divergence : {Divergence::forward, Divergence::reverse})
      for (const double temperature : {0.5, 1.0, 2.0, 0.7, 10.0}) {
        const auto same = run(c, {.temperature = temperature, .divergence = divergence});
        // Halving and doubling are exact. Other products may be fused with a sum on one side and not on the
        // other: roundings of log-probabilities of about 4, 2e-7 each, in 18 rows and T times in the
        // gradient.
        const bool exact = temperature == 0.5 || temperature == 1 || temperature == 2;
        const double allowed = exact ? 0 : 1e-6;
        CAPTURE(temperature);
        CHECK(std::abs(same.divergence) <= 18 * allowed);
        CHECK(same.hidden.abs().max().item<double>() <= temperature * allowed);
        CHECK(same.weight.abs().max().item<double>() <= temperature * allowed);
      }
  });
}

TEST_CASE("without a share of the teacher the loss is the language loss, to the bit") {
  for_seeds([](uint64_t seed) {
    for (const auto dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
      const auto c = draw_case(seed, dtype);
      const auto received = run(c, {.temperature = 3, .alpha = 0, .chunks = {.rows = 7}});
      const auto hidden = c.student.hidden.detach().requires_grad_(true);
      const auto weight = c.student.weight.detach().requires_grad_(true);
      const auto expected = kernels::linear_cross_entropy(hidden, weight, c.targets, {.chunks = {.rows = 7}});
      expected.backward();
      CHECK(received.total == expected.item<double>());
      CHECK(received.nll == expected.item<double>());
      CHECK(received.hidden.equal(hidden.grad()));
      CHECK(received.weight.equal(weight.grad()));
    }
  });
}

// Softmaxes at a high temperature are flat, 1/V + (z - mean z) / (V T): then T^2 KL is the squared distance
// of the centred logits over 2 V, whichever way round.
TEST_CASE("as the temperature grows the loss becomes the distance of the centred logits") {
  for_seeds([](uint64_t seed) {
    const auto c = draw_case(seed, at::kDouble);
    const auto logits = [](const HeadInputs& head) { return at::linear(head.hidden, head.weight); };
    const auto apart = logits(c.student).sub(logits(c.teacher));
    const auto centred = apart.sub(apart.mean(1, /*keepdim=*/true));
    const double limit = centred.square().sum(1).masked_fill(c.targets.lt(0), 0).sum().item<double>() /
                         (2.0 * static_cast<double>(kVocab));
    for (const auto divergence : {Divergence::forward, Divergence::reverse}) {
      const double near = run(c, {.temperature = 1e3, .divergence = divergence}).total;
      const double nearer = run(c, {.temperature = 1e4, .divergence = divergence}).total;
      CHECK(near == doctest::Approx(limit).epsilon(1e-2));
      CHECK(nearer == doctest::Approx(limit).epsilon(1e-3));
    }
  });
}

TEST_CASE(
    "the total is the mixture of its parts, and the square of the temperature is left out where asked") {
  for_seeds([](uint64_t seed) {
    const auto c = draw_case(seed, at::kDouble);
    const auto with = run(c, {.temperature = 2, .alpha = 0.3});
    const auto without = run(c, {.temperature = 2, .alpha = 0.3, .squared = false});
    CHECK(with.total == doctest::Approx(0.7 * with.nll + 0.3 * 4 * with.divergence).epsilon(1e-12));
    CHECK(without.total == doctest::Approx(0.7 * with.nll + 0.3 * with.divergence).epsilon(1e-12));
    CHECK(with.divergence > 0);
  });
}

TEST_CASE("the reverse divergence is the forward one with the two exchanged") {
  for_seeds([](uint64_t seed) {
    const auto c = draw_case(seed, at::kDouble);
    const Case exchanged = {c.teacher, c.student, c.targets};
    const double forward = run(c, {.temperature = 1.5}).divergence;
    const double reverse = run(exchanged, {.temperature = 1.5, .divergence = Divergence::reverse}).divergence;
    CHECK(forward == doctest::Approx(reverse).epsilon(1e-12));
  });
}

TEST_CASE("how the rows are cut into chunks changes neither loss nor gradients") {
  for_seeds([](uint64_t seed) {
    const auto c = draw_case(seed, at::kDouble);
    const auto whole = run(c, {.temperature = 2, .alpha = 0.5});
    for (const int64_t rows : {1, 5, 22, 100}) {
      const auto cut = run(c, {.temperature = 2, .alpha = 0.5, .chunks = {.rows = rows}});
      CAPTURE(rows);
      CHECK(cut.total == doctest::Approx(whole.total).epsilon(1e-13));
      CHECK(at::allclose(cut.hidden, whole.hidden, 1e-12, 1e-13));
      CHECK(at::allclose(cut.weight, whole.weight, 1e-12, 1e-13));
    }
  });
}

TEST_CASE("rows without a target have neither loss nor gradient") {
  const auto c = draw_case(9);
  auto other = c;
  other.student.hidden = c.student.hidden.clone();
  other.student.hidden.slice(0, 0, kRows, 5).fill_(3);
  const auto a = run(c, {.temperature = 2, .alpha = 0.5}), b = run(other, {.temperature = 2, .alpha = 0.5});
  CHECK(a.total == b.total);
  CHECK(a.weight.equal(b.weight));
  CHECK(b.hidden.slice(0, 0, kRows, 5).abs().max().item<double>() == 0);
}

TEST_CASE("a teacher in bfloat16 teaches a student in float32, and the other way round") {
  for_seeds([](uint64_t seed) {
    const auto exact = draw_case(seed, at::kDouble);
    const auto expected = run(exact, {.temperature = 2, .alpha = 0.5});
    const auto in = [](const HeadInputs& head, at::ScalarType dtype) {
      return HeadInputs{head.hidden.to(dtype), head.weight.to(dtype)};
    };
    for (const auto& [student, teacher] :
         {std::pair(at::kFloat, at::kBFloat16), {at::kBFloat16, at::kFloat}}) {
      const Case mixed = {in(exact.student, student), in(exact.teacher, teacher), exact.targets};
      const auto received = run(mixed, {.temperature = 2, .alpha = 0.5});
      // 8 bits of mantissa in hidden states, weights and logits of one side.
      CHECK(received.total == doctest::Approx(expected.total).epsilon(2e-2));
      CHECK((received.hidden.scalar_type() == student));
      CHECK((received.hidden.to(at::kDouble) - expected.hidden).abs().max().item<double>() <
            0.05 * expected.hidden.abs().max().item<double>());
    }
  });
}

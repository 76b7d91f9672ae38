// The harness: every op of op_cases.cpp against its plain composition in float64, and against finite
// differences.
#include <limits>
#include <sstream>

#include "doctest.h"
#include "op_run.h"

using namespace tongueforge;
using namespace tongueforge::test;

namespace {

void check_close(const at::Tensor& received, const at::Tensor& expected, const Tolerance& tolerance) {
  REQUIRE(received.defined() == expected.defined());
  if (!expected.defined() || expected.numel() == 0) return;
  REQUIRE(received.sizes() == expected.sizes());
  const double allowed = tolerance.absolute + tolerance.relative * expected.abs().max().item<double>();
  const double off = (received.to(at::kDouble) - expected).abs().max().item<double>();
  INFO("off by ", off, ", allowed ", allowed, ": ", std::string(tolerance.why));
  CHECK(off <= allowed);
}

void compare(const OpCase& op, const Tensors& inputs, at::ScalarType dtype, const Tolerance& tolerance,
             Draw& draw) {
  // The reference sees the values that the fused code sees: its error alone is measured.
  const auto cast = in_dtype(inputs, dtype);
  const auto exact = in_dtype(cast, at::kDouble);
  const auto cotangents = in_dtype(in_dtype(draw_cotangents(op.reference, exact, draw), dtype), at::kDouble);
  const auto expected = run(op.reference, exact, cotangents);
  const auto compare_layout = [&](const Tensors& laid_out) {
    const auto received = run(op.fused, laid_out, cotangents);
    REQUIRE(received.outputs.size() == expected.outputs.size());
    for (size_t i = 0; i < expected.outputs.size(); i++)
      check_close(received.outputs[i], expected.outputs[i], tolerance);
    for (size_t i = 0; i < expected.gradients.size(); i++)
      check_close(received.gradients[i], expected.gradients[i], tolerance);
  };
  compare_layout(cast);
  compare_layout(transposed_layout(cast));
}

constexpr Tolerance kFloat64{1e-12, 1e-12, "sums in another order, in float64"};

std::string text_of(const std::vector<int64_t>& size) {
  std::ostringstream text;
  for (const int64_t n : size) text << ' ' << n;
  return text.str();
}

template <class Body>
void for_each_size(const Body& body) {
  uint64_t seed = 1;
  for (const auto& op : op_cases())
    for (const auto& size : op.sizes) {
      CAPTURE(op.name);
      const auto shape = op.letters + " =" + text_of(size);
      CAPTURE(shape);
      Draw draw(seed++);
      body(op, op.inputs(size, draw), draw);
    }
}

// Two sided difference quotients of sum(cotangent output) in every element of one input.
at::Tensor finite_differences(const Op& op, Tensors inputs, size_t which, const Tensors& cotangents) {
  const at::NoGradGuard no_grad;
  constexpr double kStep = 1e-5;
  inputs[which] = inputs[which].clone(at::MemoryFormat::Contiguous);
  auto flat = inputs[which].view(-1);
  const auto value = [&] {
    double total = 0;
    const auto outputs = op(inputs);
    for (size_t i = 0; i < outputs.size(); i++) total += outputs[i].mul(cotangents[i]).sum().item<double>();
    return total;
  };
  auto slopes = at::empty_like(flat);
  for (int64_t i = 0; i < flat.numel(); i++) {
    const double here = flat[i].item<double>();
    flat[i] = here + kStep;
    const double above = value();
    flat[i] = here - kStep;
    const double below = value();
    flat[i] = here;
    slopes[i] = (above - below) / (2 * kStep);
  }
  return slopes.view(inputs[which].sizes());
}

bool finite_at_the_same_places(const at::Tensor& a, const at::Tensor& b) {
  return at::isfinite(a).equal(at::isfinite(b));
}

}  // namespace

TEST_CASE("every fused op and its gradients equal the plain composition, in three dtypes and two layouts") {
  for_each_size([](const OpCase& op, const Tensors& inputs, Draw& draw) {
    {
      INFO("float64");
      compare(op, inputs, at::kDouble, kFloat64, draw);
    }
    {
      INFO("float32");
      compare(op, inputs, at::kFloat, op.float32, draw);
    }
    {
      INFO("bfloat16");
      compare(op, inputs, at::kBFloat16, op.bfloat16, draw);
    }
  });
}

TEST_CASE("the gradients of every fused op equal finite differences in float64") {
  for_each_size([](const OpCase& op, const Tensors& inputs, Draw& draw) {
    int64_t elements = 0;
    for (const auto& input : inputs) elements += input.numel();
    if (elements > 600) return;  // two evaluations an element
    const auto cotangents = draw_cotangents(op.fused, inputs, draw);
    const auto pass = run(op.fused, inputs, cotangents);
    size_t gradient = 0;
    for (size_t i = 0; i < inputs.size(); i++) {
      if (!inputs[i].is_floating_point()) continue;
      const auto& received = pass.gradients[gradient++];
      if (!received.defined()) continue;  // an input without a gradient, such as an angle
      CAPTURE(i);
      check_close(received, finite_differences(op.fused, inputs, i, cotangents),
                  {1e-8, 1e-6, "the third derivative times the square of the step 1e-5"});
    }
  });
}

TEST_CASE("a NaN or an infinity comes out of a fused op where it comes out of the plain one") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  for_each_size([&](const OpCase& op, const Tensors& inputs, Draw& draw) {
    const auto cotangents = draw_cotangents(op.reference, inputs, draw);
    const auto clean = run(op.reference, inputs, cotangents);
    for (size_t spoilt = 0; spoilt < clean.gradients.size(); spoilt++) {  // floating inputs come first
      if (!clean.gradients[spoilt].defined()) continue;                   // a constant, such as an angle
      for (const double value : {nan, inf, -inf}) {
        auto spoilt_inputs = in_dtype(inputs, at::kFloat);
        auto flat = spoilt_inputs[spoilt].flatten();
        flat[flat.numel() / 2] = value;
        spoilt_inputs[spoilt] = flat.view(inputs[spoilt].sizes());
        const auto received = run(op.fused, spoilt_inputs, cotangents);
        const auto expected = run(op.reference, spoilt_inputs, cotangents);
        CAPTURE(spoilt);
        CAPTURE(value);
        for (size_t i = 0; i < expected.outputs.size(); i++)
          CHECK(finite_at_the_same_places(received.outputs[i], expected.outputs[i]));
        for (size_t i = 0; i < expected.gradients.size(); i++)
          if (expected.gradients[i].defined() && !op.has_matrix_products)
            CHECK(finite_at_the_same_places(received.gradients[i], expected.gradients[i]));
      }
    }
  });
}

TEST_CASE("one and two threads give the same bytes, in outputs and in gradients") {
  for_each_size([](const OpCase& op, const Tensors& inputs, Draw& draw) {
    const auto cotangents = draw_cotangents(op.reference, inputs, draw);
    const auto cast = in_dtype(inputs, at::kFloat);
    const int before = at::get_num_threads();
    at::set_num_threads(1);
    const auto one = run(op.fused, cast, cotangents), again = run(op.fused, cast, cotangents);
    at::set_num_threads(2);
    const auto two = run(op.fused, cast, cotangents);
    at::set_num_threads(before);
    for (size_t i = 0; i < one.gradients.size(); i++) {
      if (!one.gradients[i].defined()) continue;
      CHECK(one.gradients[i].equal(again.gradients[i]));
      if (!op.has_matrix_products) CHECK(one.gradients[i].equal(two.gradients[i]));
    }
  });
}

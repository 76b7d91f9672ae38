// The harness: every op of op_cases.cpp against its plain composition in float64, and against finite
// differences.
#include "doctest.h"
#include "op_compare.h"

using namespace tongueforge;
using namespace tongueforge::test;

namespace {

void compare(const OpCase& op, const Tensors& inputs, at::ScalarType dtype, const Tolerance& tolerance,
             Draw& draw) {
  const Expected expected(op, inputs, dtype, draw);
  expected.check(run(op.fused, expected.inputs, expected.cotangents), tolerance);
  expected.check(run(op.fused, transposed_layout(expected.inputs), expected.cotangents), tolerance);
}

void for_each_shape(const std::function<void(const OpCase&, const Tensors&, Draw&)>& body) {
  for_each_size([](const OpCase& op) { return op.sizes; }, body);
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

}  // namespace

TEST_CASE("every fused op and its gradients equal the plain composition, in three dtypes and two layouts") {
  for_each_shape([](const OpCase& op, const Tensors& inputs, Draw& draw) {
    {
      INFO("float64");
      compare(op, inputs, at::kDouble, kFloat64Sums, draw);
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
  for_each_shape([](const OpCase& op, const Tensors& inputs, Draw& draw) {
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
  for_each_shape([](const OpCase& op, const Tensors& inputs, Draw& draw) {
    check_spoilt_inputs(op, inputs, at::kFloat, at::kCPU, draw);
  });
}

TEST_CASE("one and two threads give the same bytes, in outputs and in gradients") {
  for_each_shape([](const OpCase& op, const Tensors& inputs, Draw& draw) {
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

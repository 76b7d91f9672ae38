#include "op_compare.h"

#include <limits>
#include <sstream>

#include "doctest.h"

namespace tongueforge::test {
namespace {

std::string text_of(const std::vector<int64_t>& size) {
  std::ostringstream text;
  for (const int64_t n : size) text << ' ' << n;
  return text.str();
}

}  // namespace

void check_close(const at::Tensor& received, const at::Tensor& expected, const Tolerance& tolerance) {
  REQUIRE(received.defined() == expected.defined());
  if (!expected.defined()) return;
  REQUIRE(received.sizes() == expected.sizes());
  if (expected.numel() == 0) return;
  const double allowed = tolerance.absolute + tolerance.relative * expected.abs().max().item<double>();
  const double off = (received.to(at::kCPU, at::kDouble) - expected).abs().max().item<double>();
  INFO("off by ", off, ", allowed ", allowed, ": ", std::string(tolerance.why));
  CHECK(off <= allowed);
}

Expected::Expected(const OpCase& op, const Tensors& exact_inputs, at::ScalarType dtype, Draw& draw)
    : inputs(in_dtype(exact_inputs, dtype)) {
  const auto exact = in_dtype(inputs, at::kDouble);
  cotangents = in_dtype(in_dtype(draw_cotangents(op.reference, exact, draw), dtype), at::kDouble);
  pass = run(op.reference, exact, cotangents);
}

void Expected::check(const Pass& received, const Tolerance& tolerance) const {
  REQUIRE(received.outputs.size() == pass.outputs.size());
  for (size_t i = 0; i < pass.outputs.size(); i++)
    check_close(received.outputs[i], pass.outputs[i], tolerance);
  for (size_t i = 0; i < pass.gradients.size(); i++)
    check_close(received.gradients[i], pass.gradients[i], tolerance);
}

bool finite_at_the_same_places(const at::Tensor& a, const at::Tensor& b) {
  return at::isfinite(a.cpu()).equal(at::isfinite(b.cpu()));
}

void check_spoilt_inputs(const OpCase& op, const Tensors& inputs, at::ScalarType dtype, at::Device device,
                         Draw& draw) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const auto cotangents = draw_cotangents(op.reference, inputs, draw);
  const auto clean = run(op.reference, inputs, cotangents);
  for (size_t spoilt = 0; spoilt < clean.gradients.size(); spoilt++) {  // floating inputs come first
    if (!clean.gradients[spoilt].defined()) continue;                   // a constant, such as an angle
    for (const double value : {nan, inf, -inf}) {
      auto spoilt_inputs = in_dtype(inputs, dtype);
      auto flat = spoilt_inputs[spoilt].flatten();
      flat[flat.numel() / 2] = value;
      spoilt_inputs[spoilt] = flat.view(inputs[spoilt].sizes());
      const auto received = run(op.fused, on_device(spoilt_inputs, device), cotangents);
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
}

void for_each_size(const std::function<Sizes(const OpCase&)>& sizes,
                   const std::function<void(const OpCase&, const Tensors&, Draw&)>& body) {
  uint64_t seed = 1;
  for (const auto& op : op_cases())
    for (const auto& size : sizes(op)) {
      CAPTURE(op.name);
      const auto shape = op.letters + " =" + text_of(size);
      CAPTURE(shape);
      Draw draw(seed++);
      body(op, op.inputs(size, draw), draw);
    }
}

}  // namespace tongueforge::test

// The harness on a GPU: the CUDA twins of the ops of op_cases.cpp against the plain compositions in float64
// on the CPU.
#include "cuda_device.h"
#include "kernels/graph.h"
#include "op_compare.h"

using namespace tongueforge;
using namespace tongueforge::test;

namespace {

struct Precision {
  at::ScalarType dtype;
  const Tolerance& tolerance;
};

std::vector<Precision> precisions(const OpCase& op) {
  return {{at::kDouble, kFloat64Sums},
          {at::kFloat, op.float32},
          {at::kBFloat16, op.bfloat16},
          {at::kHalf, op.float16}};
}

Sizes all_sizes(const OpCase& op) {
  auto sizes = op.sizes;
  sizes.insert(sizes.end(), op.cuda_sizes.begin(), op.cuda_sizes.end());
  return sizes;
}

bool same_bytes(const Tensors& a, const Tensors& b) {
  for (size_t i = 0; i < a.size(); i++)
    if (a[i].defined() && !a[i].equal(b[i])) return false;
  return a.size() == b.size();
}

}  // namespace

TEST_CASE(
    "every fused op and its gradients equal the plain composition on cuda, in four dtypes and three "
    "layouts") {
  const auto device = cuda_device();
  if (!device) return;
  for_each_size(all_sizes, [&](const OpCase& op, const Tensors& inputs, Draw& draw) {
    for (const auto& [dtype, tolerance] : precisions(op)) {
      INFO(std::string(at::toString(dtype)));
      const Expected expected(op, inputs, dtype, draw);
      const auto there = on_device(expected.inputs, *device);
      const auto check = [&](const char* layout, const Tensors& laid_out) {
        CAPTURE(std::string(layout));
        expected.check(run(op.fused, laid_out, expected.cotangents), tolerance);
      };
      check("dense", there);
      check("transposed", transposed_layout(there));
      check("unaligned", unaligned_layout(there));
    }
  });
}

TEST_CASE("a NaN or an infinity comes out of a fused op on cuda where it comes out of the plain one") {
  const auto device = cuda_device();
  if (!device) return;
  for_each_size([](const OpCase& op) { return op.sizes; },
                [&](const OpCase& op, const Tensors& inputs, Draw& draw) {
                  check_spoilt_inputs(op, inputs, at::kFloat, *device, draw);
                  check_spoilt_inputs(op, inputs, at::kBFloat16, *device, draw);
                });
}

TEST_CASE("a fused op on cuda gives the same bytes each time, in outputs and in gradients") {
  const auto device = cuda_device();
  if (!device) return;
  for_each_size(all_sizes, [&](const OpCase& op, const Tensors& inputs, Draw& draw) {
    const auto cotangents = draw_cotangents(op.reference, inputs, draw);
    for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
      const auto there = on_device(in_dtype(inputs, dtype), *device);
      const auto one = run(op.fused, there, cotangents), again = run(op.fused, there, cotangents);
      CHECK(same_bytes(one.outputs, again.outputs));
      CHECK(same_bytes(one.gradients, again.gradients));
    }
  });
}

// Recording refuses whatever makes the host wait for the GPU or reads memory of the CPU.
TEST_CASE("a fused op on cuda and its backward pass can be recorded, and a replay gives the same bytes") {
  const auto device = cuda_device();
  if (!device) return;
  const auto one_size = [](const OpCase& op) { return Sizes{op.sizes.back()}; };
  for_each_size(one_size, [&](const OpCase& op, const Tensors& inputs, Draw& draw) {
    const auto there = on_device(in_dtype(inputs, at::kBFloat16), *device);
    Tensors cotangents;
    for (const auto& output : op.fused(there)) cotangents.push_back(at::randn_like(output));
    const auto eager = run(op.fused, there, cotangents);
    kernels::Graph graph(*device);
    Pass recorded;
    graph.rehearse([&] { run(op.fused, there, cotangents); });
    graph.capture([&] { recorded = run(op.fused, there, cotangents); });
    graph.replay();
    CHECK(same_bytes(recorded.outputs, eager.outputs));
    CHECK(same_bytes(recorded.gradients, eager.gradients));
  });
}

TEST_CASE("a recording on cuda that fails passes its error on, and another one can be made") {
  const auto device = cuda_device();
  if (!device) return;
  const at::NoGradGuard no_grad;
  const auto x = at::ones({4}, *device);
  kernels::Graph graph(*device);
  graph.rehearse([&] { x.add_(1); });
  CHECK_THROWS_WITH_AS(graph.capture([&] { throw std::runtime_error("ours"); }), "ours", std::runtime_error);
  CHECK_FALSE(graph.is_captured());
  CHECK_THROWS_AS(graph.capture([&] { x.item(); }), c10::Error);  // waits for the GPU
  CHECK_FALSE(graph.is_captured());
  kernels::Graph another(*device);
  another.capture([&] { x.add_(1); });
  another.replay();
  CHECK(at::equal(x.cpu(), at::full({4}, 3)));
}

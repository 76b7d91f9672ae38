// Times of the fused ops beside their plain compositions and beside a copy of the bytes that each pass has to
// move: native_tests --bench-ops [NAME], printed as JSON lines.
#include <chrono>
#include <cstdio>
#include <limits>

#include "kernels/autograd.h"
#include "op_run.h"

namespace tongueforge::test {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

int64_t bytes_of(const Tensors& tensors) {
  int64_t total = 0;
  for (const auto& tensor : tensors)
    if (tensor.defined()) total += static_cast<int64_t>(tensor.numel() * tensor.element_size());
  return total;
}

struct Times {
  double forward = std::numeric_limits<double>::infinity(), backward = forward;
};

/// One forward and one backward pass; the minima of all rounds are kept.
void time_once(const Op& op, const Tensors& inputs, const Tensors& cotangents, Times& times) {
  Tensors leaves, outputs;
  for (const auto& input : inputs)
    leaves.push_back(input.is_floating_point() ? input.detach().requires_grad_(true) : input);
  times.forward = std::min(times.forward, milliseconds([&] { outputs = op(leaves); }));
  times.backward =
      std::min(times.backward, milliseconds([&] { torch::autograd::backward(outputs, cotangents); }));
}

/// Reading half of the bytes and writing the other half, on all threads.
double copy_time(int64_t bytes) {
  const auto from = at::ones({bytes / 8}, at::kFloat);
  auto to = at::empty_like(from);
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 10; i++) best = std::min(best, milliseconds([&] { to.copy_(from); }));
  return best;
}

void print_row(const OpCase& op, at::ScalarType dtype, const char* pass, double fused, double plain,
               int64_t bytes) {
  std::printf(
      "{\"op\": \"%s\", \"dtype\": \"%s\", \"pass\": \"%s\", \"fused_ms\": %.2f, \"plain_ms\": %.2f, "
      "\"speedup\": %.2f, \"gb_per_s\": %.1f, \"share_of_copy\": %.2f}\n",
      op.name.c_str(), dtype == at::kFloat ? "float32" : "bfloat16", pass, fused, plain, plain / fused,
      static_cast<double>(bytes) / fused / 1e6, copy_time(bytes) / fused);
  std::fflush(stdout);
}

void bench(const OpCase& op, at::ScalarType dtype) {
  Draw draw(1);
  const auto inputs = in_dtype(op.inputs(op.bench_size, draw), dtype);
  Tensors outputs, cotangents;
  {
    const at::NoGradGuard no_grad;
    outputs = op.fused(inputs);
    for (const auto& output : outputs) cotangents.push_back(at::randn_like(output));
  }
  const auto gradients = run(op.fused, inputs, cotangents).gradients;
  Times fused, plain;
  const auto start = Clock::now();
  for (int round = 0; round < 3 || (round < 30 && Clock::now() - start < std::chrono::seconds(4)); round++) {
    time_once(op.fused, inputs, cotangents, fused);
    time_once(op.reference, inputs, cotangents, plain);
  }
  const int64_t forward_bytes = bytes_of(inputs) + bytes_of(outputs);
  const int64_t backward_bytes = bytes_of(inputs) + bytes_of(cotangents) + bytes_of(gradients);
  print_row(op, dtype, "forward", fused.forward, plain.forward, forward_bytes);
  print_row(op, dtype, "backward", fused.backward, plain.backward, backward_bytes);
  print_row(op, dtype, "both", fused.forward + fused.backward, plain.forward + plain.backward,
            forward_bytes + backward_bytes);
}

}  // namespace

void bench_ops(const std::string& name) {
  for (const auto& op : op_cases())
    if (name.empty() || name == "all" || op.name == name)
      for (const auto dtype : {at::kFloat, at::kBFloat16}) bench(op, dtype);
}

}  // namespace tongueforge::test

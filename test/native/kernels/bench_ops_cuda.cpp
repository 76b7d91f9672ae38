// Times of the CUDA twins beside the plain compositions and beside a copy on the device:
// native_tests --bench-ops [NAME|all] cuda, printed as JSON lines. Times are of the device, between two
// events; the inputs are several times its cache, and sets of them take turns.
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <cstdio>

#include "cuda_device.h"
#include "kernels/adamw.h"
#include "kernels/autograd.h"
#include "op_run.h"

namespace tongueforge::test {
namespace {

constexpr int kRounds = 15, kInputSets = 3;

c10::Stream current_stream(at::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

/// Milliseconds that the device is at work.
double device_ms(at::Device device, const std::function<void()>& work) {
  c10::Event begin(device.type(), c10::EventFlag::BACKEND_DEFAULT);
  c10::Event end(device.type(), c10::EventFlag::BACKEND_DEFAULT);
  begin.record(current_stream(device));
  work();
  end.record(current_stream(device));
  end.synchronize();
  return begin.elapsedTime(end);
}

double median(std::vector<double> times) {
  std::nth_element(times.begin(), times.begin() + static_cast<int64_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

int64_t bytes_of(const Tensors& tensors) {
  int64_t total = 0;
  for (const auto& tensor : tensors)
    if (tensor.defined()) total += static_cast<int64_t>(tensor.numel() * tensor.element_size());
  return total;
}

/// Bytes read and written a millisecond by a copy of a gigabyte.
double copy_rate(at::Device device) {
  const auto from = at::ones({int64_t{1} << 28}, at::TensorOptions(device).dtype(at::kFloat));
  auto to = at::empty_like(from);
  std::vector<double> times;
  for (int i = 0; i < kRounds; i++) times.push_back(device_ms(device, [&] { to.copy_(from); }));
  return 2.0 * static_cast<double>(from.nbytes()) / median(times);
}

struct Times {
  std::vector<double> forward, backward;
};

void time_once(const Op& op, const Tensors& inputs, const Tensors& cotangents, Times& times) {
  const auto device = inputs[0].device();
  Tensors leaves, outputs;
  for (const auto& input : inputs)
    leaves.push_back(input.is_floating_point() ? input.detach().requires_grad_(true) : input);
  times.forward.push_back(device_ms(device, [&] { outputs = op(leaves); }));
  times.backward.push_back(device_ms(device, [&] { torch::autograd::backward(outputs, cotangents); }));
}

void print_row(const std::string& op, at::ScalarType dtype, const char* pass, double fused, double plain,
               int64_t bytes, double copy) {
  const double rate = static_cast<double>(bytes) / fused;
  std::printf(
      "{\"op\": \"%s\", \"device\": \"cuda\", \"dtype\": \"%s\", \"pass\": \"%s\", \"fused_ms\": %.3f, "
      "\"plain_ms\": %.3f, \"speedup\": %.2f, \"gb_moved\": %.3f, \"gb_per_s\": %.0f, \"copy_gb_per_s\": "
      "%.0f, "
      "\"share_of_copy\": %.2f}\n",
      op.c_str(), at::toString(dtype), pass, fused, plain, plain / fused, static_cast<double>(bytes) / 1e9,
      rate / 1e6, copy / 1e6, rate / copy);
  std::fflush(stdout);
}

void bench(const OpCase& op, at::Device device, double copy) {
  const auto dtype = at::kBFloat16;
  std::vector<Tensors> sets;
  Draw draw(device);
  for (int i = 0; i < kInputSets; i++) sets.push_back(in_dtype(op.inputs(op.cuda_bench_size, draw), dtype));
  Tensors outputs, cotangents;
  {
    const at::NoGradGuard no_grad;
    outputs = op.fused(sets[0]);
    for (const auto& output : outputs) cotangents.push_back(at::randn_like(output));
  }
  const int64_t forward_bytes = bytes_of(sets[0]) + bytes_of(outputs);
  const int64_t backward_bytes =
      bytes_of(sets[0]) + bytes_of(cotangents) + bytes_of(run(op.fused, sets[0], cotangents).gradients);
  outputs.clear();
  Times fused, plain;
  const auto time = [&](const Op& which, int rounds, Times& times) {
    for (int i = 0; i < rounds; i++)
      time_once(which, sets[static_cast<size_t>(i % kInputSets)], cotangents, times);
  };
  Times warm_up;
  time(op.fused, kInputSets, warm_up);
  time(op.fused, kRounds, fused);
  if (!op.has_matrix_products) {  // the plain one would hold all logits
    time(op.reference, kInputSets, warm_up);
    time(op.reference, kRounds, plain);
  } else {
    plain = {{0}, {0}};
  }
  print_row(op.name, dtype, "forward", median(fused.forward), median(plain.forward), forward_bytes, copy);
  print_row(op.name, dtype, "backward", median(fused.backward), median(plain.backward), backward_bytes, copy);
}

/// 268 M parameters with float32 masters, bfloat16 weights and gradients, beside ATen's fused update of
/// float32 gradients and a rounding pass.
void bench_adamw(at::Device device, double copy) {
  const auto options = at::TensorOptions(device);
  kernels::AdamWState state;
  Tensors gradients, wide_gradients;
  for (int i = 0; i < 32; i++) {
    state.masters.push_back(at::randn({2048, 4096}, options.dtype(at::kFloat)));
    state.weights.push_back(state.masters.back().to(at::kBFloat16));
    state.first_moments.push_back(at::zeros_like(state.masters.back()));
    state.second_moments.push_back(at::zeros_like(state.masters.back()));
    gradients.push_back(at::randn_like(state.weights.back()));
    wide_gradients.push_back(at::empty_like(state.masters.back()));
  }
  const kernels::AdamWUpdate update = {at::scalar_tensor(1e-4, options.dtype(at::kDouble)),
                                       at::scalar_tensor(1, options.dtype(at::kFloat))};
  const Tensors counts(state.masters.size(), update.count);
  const auto own = [&] { kernels::adamw_(state, gradients, update, {0.9, 0.99, 1e-8, 0.1}); };
  const auto plain = [&] {
    at::_foreach_copy_(wide_gradients, gradients);
    at::_fused_adamw_(state.masters, wide_gradients, state.first_moments, state.second_moments, {}, counts,
                      1e-4, 0.9, 0.99, 0.1, 1e-8, false, false);
    at::_foreach_copy_(state.weights, state.masters);
  };
  const auto time = [&](const std::function<void()>& work) {
    std::vector<double> times;
    for (int i = 0; i < kRounds; i++) times.push_back(device_ms(device, work));
    return median(times);
  };
  const int64_t bytes =
      2 * (bytes_of(state.masters) + bytes_of(state.first_moments) + bytes_of(state.second_moments)) +
      bytes_of(state.weights) + bytes_of(gradients);
  print_row("adamw", at::kBFloat16, "update", time(own), time(plain), bytes, copy);
}

}  // namespace

void bench_ops_cuda(const std::string& name) {
  const auto device = first_gpu();
  if (!device) {
    std::printf("not run: %s\n", kNoGpu);
    return;
  }
  const double copy = copy_rate(*device);
  const auto wanted = [&](const std::string& op) { return name.empty() || name == "all" || name == op; };
  for (const auto& op : op_cases())
    if (wanted(op.name) && !op.cuda_bench_size.empty()) bench(op, *device, copy);
  const at::NoGradGuard no_grad;
  if (wanted("adamw")) bench_adamw(*device, copy);
}

}  // namespace tongueforge::test

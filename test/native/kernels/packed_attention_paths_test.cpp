// The ways of packed attention beside the loops of the CPU: document by document, and what stands around the
// kernel of libtorch for CUDA, here with another one in its place.
#include <cstdlib>
#include "doctest.h"

#include "gpu.h"
#include "kernels/autograd.h"
#include "kernels/cuda/devices.h"
#include "kernels/deterministic.h"
#include "kernels/packed_attention_cudnn.h"
#include "kernels/packed_attention_dense.h"
#include "kernels/packed_attention_flash.h"
#include "kernels/packings.h"

using namespace tongueforge;
using namespace tongueforge::test;
using kernels::detail::FlashCall;
using kernels::detail::FlashGradients;
using kernels::detail::FlashResult;
using kernels::detail::RowsGradients;
using kernels::detail::RowsResult;

namespace {

/// What the kernel of libtorch promises: the documents of a call, (M,N,H).
at::Tensor documents_of(const FlashCall& c, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  std::vector<at::Tensor> parts;
  const auto* offset = c.offsets.const_data_ptr<int32_t>();
  for (int64_t i = 0; i + 1 < c.offsets.size(0); i++) {
    const int64_t length = offset[i + 1] - offset[i];
    CHECK(length <= c.longest);
    if (length == 0) continue;
    const auto place = at::arange(length), back = place.unsqueeze(1) - place.unsqueeze(0);
    auto mask = c.causal ? back.ge(0) : at::ones({length, length}, at::kBool);
    if (c.left) mask = mask.logical_and(back.le(*c.left));
    const auto heads = [&](const at::Tensor& x) {
      return x.narrow(0, offset[i], length).transpose(0, 1).unsqueeze(0);
    };
    const auto y =
        at::scaled_dot_product_attention(heads(q), heads(k), heads(v), mask, 0.0, false, std::nullopt, true);
    parts.push_back(y.squeeze(0).transpose(0, 1));
  }
  return at::cat(parts).contiguous();
}

FlashResult plain_forward(const FlashCall& c) {
  const auto nothing = at::empty({0});
  return {documents_of(c, c.q, c.k, c.v), nothing, nothing, nothing};
}

FlashGradients plain_backward(const FlashCall& c, const FlashResult&, const at::Tensor& dy) {
  const at::AutoGradMode recorded(true);
  std::vector<at::Tensor> leaves;
  for (const auto& x : {c.q, c.k, c.v}) leaves.push_back(x.detach().requires_grad_());
  const auto grads = torch::autograd::grad({documents_of(c, leaves[0], leaves[1], leaves[2])}, leaves, {dy});
  return {grads[0], grads[1], grads[2]};
}

/// What the kernel for whole rows promises; it wants the memory of (B,T,N,H).
at::Tensor whole_rows(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal) {
  for (const auto& x : {q, k, v}) CHECK(x.stride(1) == x.size(3));
  const auto y = at::scaled_dot_product_attention(q, k, v, std::nullopt, 0.0, causal, std::nullopt, true);
  return y.transpose(1, 2).contiguous().transpose(1, 2);
}

RowsResult plain_rows_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal) {
  const auto nothing = at::empty({0});
  return {whole_rows(q, k, v, causal), nothing, nothing, nothing};
}

RowsGradients plain_rows_backward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal,
                                  const RowsResult& result, const at::Tensor& dy) {
  CHECK(dy.sizes() == result.y.sizes());
  const at::AutoGradMode recorded(true);
  std::vector<at::Tensor> leaves;
  for (const auto& x : {q, k, v}) leaves.push_back(x.detach().requires_grad_());
  const auto grads =
      torch::autograd::grad({whole_rows(leaves[0], leaves[1], leaves[2], causal)}, leaves, {dy});
  return {grads[0], grads[1], grads[2]};
}

/// Rows of one document each.
Packing whole_packing(uint64_t seed, bool causal = true) {
  Packing packing(seed, causal);
  packing.window = 0;
  packing.segments_BT = at::zeros({packing.batch, packing.time}, at::kLong);
  return packing;
}

/// A plan with more room than these rows need, which has held other rows before.
std::shared_ptr<const kernels::PackedPlan> used_plan(const at::Tensor& segments_BT) {
  kernels::FixedPackedPlan fixed(segments_BT.size(0), segments_BT.size(1), segments_BT.numel(), at::kCPU);
  fixed.fill(at::arange(segments_BT.size(1)).expand_as(segments_BT));
  fixed.fill(segments_BT);
  return fixed.plan();
}

Result around_kernel(const Inputs& inputs, const Packing& p) {
  const auto plan = used_plan(p.segments_BT);
  return inputs.run([&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    return kernels::detail::flash_packed_attention(q, k, v, {plan, p.window, nullptr, p.causal},
                                                   {plain_forward, plain_backward});
  });
}

Result dense(const Inputs& inputs, const Packing& p) {
  const auto plan = kernels::packed_plan(p.segments_BT);
  return inputs.run([&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    return kernels::dense_packed_attention(q, k, v, {plan, p.window, nullptr, p.causal});
  });
}

/// Of the largest value that is expected, for outputs and gradients each. Of documents of one token the
/// gradients of q and k are zero: a difference of two equal sums, of which the kernel rounds one.
void check_close(const Result& ours, const Result& expected, double tolerance) {
  for (const auto& [a, b] : {std::pair(ours.y, expected.y), std::pair(ours.dq, expected.dq),
                             std::pair(ours.dk, expected.dk), std::pair(ours.dv, expected.dv)})
    CHECK(largest_difference(a, b) <= tolerance * std::max(b.abs().max().item<double>(), 1e-3));
}

}  // namespace

TEST_CASE("packed attention document by document is that of the tiles, with its gradients") {
  for (uint64_t seed = 1; seed <= 30; seed++) {
    CAPTURE(seed);
    at::manual_seed(seed);
    const Packing packing(seed, /*is_causal=*/seed % 3 != 0);
    const Inputs inputs(packing, at::kDouble);
    check_equal(dense(inputs, packing), packed(inputs, packing), 1e-11);
  }
}

TEST_CASE("what stands around the kernel for CUDA gives it every document, and keeps padding out") {
  for (uint64_t seed = 1; seed <= 30; seed++) {
    CAPTURE(seed);
    at::manual_seed(seed);
    const Packing packing(seed, /*is_causal=*/seed % 3 != 0);
    Inputs inputs(packing, at::kDouble);
    const auto expected = packed(inputs, packing);
    const auto padding = packing.segments_BT.lt(0).unsqueeze(-1);
    inputs.dy.masked_fill_(padding, 7);  // what flows in there says nothing
    const auto ours = around_kernel(inputs, packing);
    check_equal(ours, expected, 1e-11);
    CHECK(ours.y.masked_select(padding).eq(0).all().item<bool>());
    CHECK(ours.dk.masked_select(padding.unsqueeze(-1)).eq(0).all().item<bool>());
  }
}

TEST_CASE("what stands around the kernel for whole rows gives it rows in the memory that it wants") {
  for (uint64_t seed = 1; seed <= 12; seed++) {
    CAPTURE(seed);
    at::manual_seed(seed);
    const auto packing = whole_packing(seed, /*is_causal=*/seed % 3 != 0);
    const Inputs inputs(packing, at::kDouble);
    const auto plan = kernels::packed_plan(packing.segments_BT);
    CHECK(kernels::detail::are_whole(*plan));
    const auto run = [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
      return kernels::detail::cudnn_packed_attention(q, k, v, {plan, 0, nullptr, packing.causal},
                                                     {plain_rows_forward, plain_rows_backward});
    };
    check_equal(inputs.run(run), packed(inputs, packing), 1e-11);
    check_equal(inputs.run([&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
      return run(q.contiguous(), k, v.contiguous());  // heads one under the other
    }),
                packed(inputs, packing), 1e-11);
  }
}

TEST_CASE("rows are whole where each is one document from its first place to its last") {
  const auto whole = [](std::initializer_list<int64_t> segments) {
    return kernels::detail::are_whole(
        *kernels::packed_plan(at::tensor(std::vector<int64_t>(segments), at::kLong).view({2, 4})));
  };
  CHECK(whole({0, 0, 0, 0, 0, 0, 0, 0}));
  CHECK(whole({0, 0, 0, 0, 1, 1, 1, 1}));
  CHECK_FALSE(whole({0, 0, 0, 0, 0, 0, 0, -1}));
  CHECK_FALSE(whole({0, 0, 0, 0, -1, -1, -1, -1}));
  CHECK_FALSE(whole({0, 0, 0, 0, 0, 0, 1, 1}));
}

TEST_CASE(
    "a fixed plan keeps shapes and memory, holds one batch after the other, and says what does not fit") {
  const auto few = at::tensor({0, 0, 0, -1, 1, 1, 1, 1}, at::kLong).view({2, 4});
  const auto many = at::tensor({0, 1, 2, 3, 0, 1, 2, 3}, at::kLong).view({2, 4});
  kernels::FixedPackedPlan fixed(2, 4, 5, at::kCPU);
  CHECK(fixed.fits(few));
  CHECK_FALSE(fixed.fits(many));
  CHECK_FALSE(fixed.fits(few.narrow(1, 0, 2)));
  CHECK_THROWS(fixed.fill(many));
  fixed.fill(few);
  const auto plan = fixed.plan();
  const void* const memory = plan->offsets.data_ptr();
  CHECK(at::equal(plan->offsets, at::tensor({0, 3, 4, 8, 8, 8}, at::kInt)));
  CHECK(at::equal(plan->padding_BT, few.lt(0)));
  CHECK(at::equal(plan->positions_BT, kernels::packed_positions(few)));
  CHECK(plan->longest == 4);
  fixed.fill(at::zeros({2, 4}, at::kLong));
  CHECK(at::equal(plan->offsets, at::tensor({0, 4, 8, 8, 8, 8}, at::kInt)));
  CHECK(plan->offsets.data_ptr() == memory);
  CHECK_FALSE(plan->padding_BT.any().item<bool>());
}

TEST_CASE("cuda: packed attention is that of float64 on the CPU, with its gradients, in every dtype") {
  const auto device = gpu();
  if (!device) return;
  // Of the largest value. 16 bits: probabilities and scores' gradients are rounded before their products.
  const std::pair<at::ScalarType, double> dtypes[] = {
      {at::kBFloat16, 2e-2}, {at::kHalf, 3e-3}, {at::kFloat, 1e-5}, {at::kDouble, 1e-12}};
  const std::array<int64_t, 4> head_dims = {64, 80, 128, 20};
  for (uint64_t seed = 1; seed <= 24; seed++) {
    at::manual_seed(seed);
    Packing packing(seed, /*is_causal=*/seed % 3 != 0);
    packing.head_dim = head_dims[seed % head_dims.size()];
    const Inputs exact(packing, at::kDouble);
    for (const auto& [dtype, tolerance] : dtypes) {
      CAPTURE(seed);
      CAPTURE(dtype);
      const auto rounded = exact.to(at::kCPU, dtype);
      check_close(packed(rounded.to(*device, dtype), packing),
                  packed(rounded.to(at::kCPU, at::kDouble), packing), tolerance);
    }
  }
}

TEST_CASE("cuda: packed attention of long rows: one document, many of one token, and a fixed plan") {
  const auto device = gpu();
  if (!device) return;
  Packing packing(1);
  packing.batch = 2, packing.heads = 8, packing.kv_heads = 2, packing.time = 1500, packing.head_dim = 64;
  packing.window = 0;
  for (const int64_t length : {1, 37, 1500}) {
    CAPTURE(length);
    packing.segments_BT =
        at::arange(packing.time).div(length, "floor").expand({2, packing.time}).contiguous();
    packing.segments_BT[1].narrow(0, 1400, 100).fill_(-1);
    const auto rounded = Inputs(packing, at::kDouble).to(at::kCPU, at::kBFloat16);
    const auto expected = packed(rounded.to(at::kCPU, at::kDouble), packing);
    const auto there = rounded.to(*device, at::kBFloat16);
    check_close(packed(there, packing), expected, 2e-2);
    kernels::FixedPackedPlan fixed(2, packing.time, 3100, *device);
    fixed.fill(packing.segments_BT);
    check_close(there.run([&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
      return kernels::packed_attention(q, k, v, {fixed.plan()});
    }),
                expected, 2e-2);
  }
}

TEST_CASE("cuda: whole rows go through cuDNN where it suits, with the result of float64 on the CPU") {
  const auto device = gpu();
  if (!device) return;
  Packing packing(1);
  packing.batch = 2, packing.window = 0;
  int taken = 0;
  struct Shape {
    int64_t time, heads, kv_heads, head_dim;
    bool causal;
  };
  const Shape shapes[] = {{1024, 4, 4, 64, true}, {1280, 8, 2, 128, true}, {1024, 6, 3, 96, false}};
  for (const auto& [time, heads, kv_heads, head_dim, causal] : shapes) {
    CAPTURE(head_dim);
    packing.time = time, packing.heads = heads, packing.kv_heads = kv_heads, packing.head_dim = head_dim;
    packing.causal = causal;
    packing.segments_BT = at::arange(2).unsqueeze(1).expand({2, time}).contiguous();
    for (const auto& [dtype, tolerance] : {std::pair(at::kBFloat16, 2e-2), std::pair(at::kHalf, 3e-3)}) {
      CAPTURE(dtype);
      const auto rounded = Inputs(packing, at::kDouble).to(at::kCPU, dtype);
      const auto there = rounded.to(*device, dtype);
      const kernels::PackedAttentionOptions options = {kernels::packed_plan(packing.segments_BT, *device)};
      taken += kernels::takes_cudnn_attention(there.q.transpose(1, 2), options);
      check_close(packed(there, packing), packed(rounded.to(at::kCPU, at::kDouble), packing), tolerance);
      const kernels::DeterministicScope deterministic(true);
      CHECK_FALSE(kernels::takes_cudnn_attention(there.q.transpose(1, 2), options));
    }
  }
  MESSAGE(taken << " of 6 went through cuDNN");
  const bool is_asked_for = !std::getenv("TONGUEFORGE_ATTENTION");
  for (const auto& each : kernels::cuda::devices().list)
    if (each.index == 0) CHECK(taken == (each.major == 9 && is_asked_for ? 6 : 0));
}

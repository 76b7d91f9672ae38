// Packed rows drawn from a seed, and attention over them in several ways.
#pragma once
#include <algorithm>
#include <random>

#include "kernels/autograd.h"
#include "kernels/packed_attention.h"
#include "nn/attention.h"

// Last: libtorch has a CHECK of its own, which ends the program.
#include "doctest.h"

namespace tongueforge::test {

inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kCPU, at::kDouble) - b.to(at::kCPU, at::kDouble)).abs().max().item<double>();
}

/// Shapes and documents drawn from a seed; some rows end in padding.
struct Packing {
  int64_t batch, heads, kv_heads, time, head_dim, window;
  bool causal;
  at::Tensor segments_BT;

  explicit Packing(uint64_t seed, bool is_causal = true) : causal(is_causal) {
    std::mt19937_64 random(seed);
    const auto up_to = [&](int64_t n) {
      return 1 + static_cast<int64_t>(random() % static_cast<uint64_t>(n));
    };
    batch = up_to(3), kv_heads = up_to(3), heads = kv_heads * up_to(4), time = up_to(300),
    head_dim = 4 * up_to(10);
    window = random() % 2 && causal ? up_to(100) : 0;
    const int64_t longest = up_to(time);
    segments_BT = at::full({batch, time}, -1, at::kLong);
    for (int64_t row = 0; row < batch; row++) {
      const int64_t filled = random() % 3 ? time : up_to(time);
      for (int64_t begin = 0, document = 0; begin < filled; document++) {
        const int64_t length = std::min(up_to(longest), filled - begin);
        segments_BT[row].narrow(0, begin, length).fill_(document);
        begin += length;
      }
    }
  }
};

struct Result {
  at::Tensor y, dq, dk, dv;
};

/// Random q, k, v and an incoming gradient that is zero at padding.
struct Inputs {
  at::Tensor q, k, v, dy;

  Inputs(const Packing& p, at::ScalarType dtype)
      : q(at::randn({p.batch, p.time, p.heads, p.head_dim}).to(dtype)),
        k(at::randn({p.batch, p.time, p.kv_heads, p.head_dim}).to(dtype)),
        v(at::randn({p.batch, p.time, p.kv_heads, p.head_dim}).to(dtype)),
        dy(at::randn({p.batch, p.time, p.heads * p.head_dim}).to(dtype)) {
    dy.mul_(p.segments_BT.ge(0).unsqueeze(-1));
  }

  /// The same values elsewhere, rounded to a dtype.
  Inputs to(at::Device device, at::ScalarType dtype) const {
    Inputs moved = *this;
    for (auto* tensor : {&moved.q, &moved.k, &moved.v, &moved.dy}) *tensor = tensor->to(device, dtype);
    return moved;
  }

  template <class Op>
  Result run(const Op& op) const {
    std::vector<at::Tensor> leaves;
    for (const auto& tensor : {q, k, v}) leaves.push_back(tensor.detach().requires_grad_());
    const auto y = op(leaves[0].transpose(1, 2), leaves[1].transpose(1, 2), leaves[2].transpose(1, 2));
    torch::autograd::backward({y}, {dy});
    return {y.detach(), leaves[0].grad(), leaves[1].grad(), leaves[2].grad()};
  }
};

inline Result packed(const Inputs& inputs, const Packing& p, const Job* job = nullptr) {
  const auto plan = kernels::packed_plan(p.segments_BT, inputs.q.device());
  return inputs.run([&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    return kernels::packed_attention(q, k, v, {plan, p.window, job, p.causal});
  });
}

inline Result masked(const Inputs& inputs, const Packing& p) {
  const auto mask = nn::masked_packed_visibility(p.segments_BT, p.window, p.causal).mask;
  return inputs.run([&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    const auto y = at::scaled_dot_product_attention(q, k, v, mask, 0.0, false, std::nullopt, true);
    return y.transpose(1, 2).flatten(2).mul(p.segments_BT.ge(0).unsqueeze(-1));
  });
}

inline void check_equal(const Result& ours, const Result& expected, double tolerance) {
  CHECK(largest_difference(ours.y, expected.y) < tolerance);
  CHECK(largest_difference(ours.dq, expected.dq) < tolerance);
  CHECK(largest_difference(ours.dk, expected.dk) < tolerance);
  CHECK(largest_difference(ours.dv, expected.dv) < tolerance);
}

}  // namespace tongueforge::test

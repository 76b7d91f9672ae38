#include "kernels/packed_attention.h"

#include <limits>
#include <random>

#include "doctest.h"
#include "kernels/aten.h"
#include "nn/attention.h"

using namespace tongueforge;

namespace {

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
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

  template <class Op>
  Result run(const Op& op) const {
    std::vector<at::Tensor> leaves;
    for (const auto& tensor : {q, k, v}) leaves.push_back(tensor.detach().requires_grad_());
    const auto y = op(leaves[0].transpose(1, 2), leaves[1].transpose(1, 2), leaves[2].transpose(1, 2));
    torch::autograd::backward({y}, {dy});
    return {y.detach(), leaves[0].grad(), leaves[1].grad(), leaves[2].grad()};
  }
};

Result packed(const Inputs& inputs, const Packing& p, const Job* job = nullptr) {
  const auto plan = kernels::packed_plan(p.segments_BT);
  return inputs.run([&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    return kernels::packed_attention(q, k, v, {plan, p.window, job, p.causal});
  });
}

Result masked(const Inputs& inputs, const Packing& p) {
  const auto mask = nn::masked_packed_visibility(p.segments_BT, p.window, p.causal).mask;
  return inputs.run([&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    const auto y = at::scaled_dot_product_attention(q, k, v, mask, 0.0, false, std::nullopt, true);
    return y.transpose(1, 2).flatten(2).mul(p.segments_BT.ge(0).unsqueeze(-1));
  });
}

void check_equal(const Result& ours, const Result& expected, double tolerance) {
  CHECK(largest_difference(ours.y, expected.y) < tolerance);
  CHECK(largest_difference(ours.dq, expected.dq) < tolerance);
  CHECK(largest_difference(ours.dk, expected.dk) < tolerance);
  CHECK(largest_difference(ours.dv, expected.dv) < tolerance);
}

class CountingJob final : public Job {
 public:
  explicit CountingJob(int allowed) : allowed_(allowed) {}
  bool cancelled() const override { return asked_++ >= allowed_; }
  void progress(Value) override {}
  void emit(Value) override {}
  int asked() const { return asked_; }

 private:
  int allowed_;
  mutable std::atomic<int> asked_ = 0;
};

}  // namespace

TEST_CASE("packed attention is masked attention, with its gradients, on random packings") {
  for (uint64_t seed = 1; seed <= 40; seed++) {
    CAPTURE(seed);
    at::manual_seed(seed);
    const Packing packing(seed);
    const Inputs inputs(packing, at::kDouble);
    // exp in double is exact to the last bits; sums of at most 300 terms
    check_equal(packed(inputs, packing), masked(inputs, packing), 1e-11);
  }
}

TEST_CASE("packed attention that looks both ways is masked attention, with its gradients") {
  for (uint64_t seed = 1; seed <= 40; seed++) {
    CAPTURE(seed);
    at::manual_seed(seed);
    const Packing packing(seed, /*is_causal=*/false);
    const Inputs inputs(packing, at::kDouble);
    check_equal(packed(inputs, packing), masked(inputs, packing), 1e-11);
  }
}

TEST_CASE("packed attention in float32 and bfloat16 is that of double, to their precision") {
  for (uint64_t seed = 1; seed <= 6; seed++) {
    CAPTURE(seed);
    at::manual_seed(seed);
    const Packing packing(seed, /*is_causal=*/seed % 2 == 0);
    const Inputs exact(packing, at::kDouble);
    for (const auto& [dtype, tolerance] : {std::pair(at::kFloat, 5e-5), std::pair(at::kBFloat16, 0.15)}) {
      Inputs rounded = exact;
      for (auto* tensor : {&rounded.q, &rounded.k, &rounded.v, &rounded.dy}) *tensor = tensor->to(dtype);
      check_equal(packed(rounded, packing), masked(exact, packing), tolerance);
    }
  }
}

TEST_CASE("what lies in one document or in padding cannot reach another, not even as NaN") {
  for (const bool causal : {true, false}) {
    Packing packing(3, causal);
    packing.batch = 1, packing.time = 150, packing.window = 0;
    packing.segments_BT =
        at::cat({at::full({70}, 0), at::full({60}, 1), at::full({20}, -1)}).unsqueeze(0).to(at::kLong);
    const Inputs inputs(packing, at::kFloat);
    const auto clean = packed(inputs, packing);
    for (const auto& tensor : {inputs.q, inputs.k, inputs.v})
      tensor.narrow(1, 70, 80).fill_(std::numeric_limits<float>::quiet_NaN());
    const auto spoilt = packed(inputs, packing);
    CHECK(at::equal(spoilt.y.narrow(1, 0, 70), clean.y.narrow(1, 0, 70)));
    CHECK(at::equal(spoilt.dk.narrow(1, 0, 70), clean.dk.narrow(1, 0, 70)));
    CHECK(spoilt.y.narrow(1, 70, 60).isnan().all().item<bool>());
    CHECK(spoilt.y.narrow(1, 130, 20).eq(0).all().item<bool>());
    CHECK(spoilt.dv.narrow(1, 130, 20).eq(0).all().item<bool>());
  }
}

TEST_CASE("packed attention gives the same bytes every time") {
  const Packing packing(7);
  const Inputs inputs(packing, at::kFloat);
  const auto first = packed(inputs, packing), second = packed(inputs, packing);
  CHECK(at::equal(first.y, second.y));
  CHECK(at::equal(first.dq, second.dq));
  CHECK(at::equal(first.dk, second.dk));
}

TEST_CASE("packed attention can be cancelled at any tile, forward and backward") {
  const Packing packing(5);
  const Inputs inputs(packing, at::kFloat);
  const CountingJob patient(std::numeric_limits<int>::max());
  packed(inputs, packing, &patient);
  REQUIRE(patient.asked() > 4);
  for (int allowed = 0; allowed < patient.asked(); allowed += 1 + patient.asked() / 7) {
    const CountingJob job(allowed);
    CHECK_THROWS_AS(packed(inputs, packing, &job), Cancelled);
  }
}

TEST_CASE("positions begin anew with each document of a row") {
  const auto segments = at::tensor({0, 0, 1, -1, 5, 5, 5, 5}, at::kLong).view({2, 4});
  const auto expected = at::tensor({0, 1, 0, 0, 0, 1, 2, 3}, at::kLong).view({2, 4});
  CHECK(at::equal(kernels::packed_positions(segments), expected));
}

TEST_CASE("the documents of packed rows, the longest first") {
  const auto segments = at::tensor({0, 0, 1, -1, 5, 5, 5, 5}, at::kLong).view({2, 4});
  const auto documents = kernels::packed_documents(segments);
  REQUIRE(documents.size() == 3);
  CHECK(documents[0].row == 1);
  CHECK(documents[0].length == 4);
  CHECK(documents[1].row == 0);
  CHECK(documents[1].begin == 0);
  CHECK(documents[2].begin == 2);
  CHECK(documents[2].length == 1);
}

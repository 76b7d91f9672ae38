#include "kernels/packed_attention.h"

#include <limits>

#include "doctest.h"
#include "kernels/aten.h"
#include "kernels/packings.h"

using namespace tongueforge;
using namespace tongueforge::test;

namespace {

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

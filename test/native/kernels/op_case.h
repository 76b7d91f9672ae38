// An op of native/kernels, declared once for the harness: what it takes, the fused code, the plain one.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "kernels/aten.h"

namespace tongueforge::test {

/// Largest difference allowed from the float64 reference: absolute + relative * largest value of the
/// reference, for each output and each gradient. `why` says what the numbers stand for.
struct Tolerance {
  double absolute, relative;
  const char* why;
};

/// Random float64 and integer tensors, the same for the same seed.
class Draw {
 public:
  explicit Draw(uint64_t seed) : generator_(at::detail::createCPUGenerator(seed)) {}
  at::Tensor normal(at::IntArrayRef shape) { return at::randn(shape, generator_, at::kDouble); }
  at::Tensor below(int64_t limit, at::IntArrayRef shape) {
    return at::randint(limit, shape, generator_, at::kLong);
  }

 private:
  at::Generator generator_;
};

using Tensors = std::vector<at::Tensor>;
using Op = std::function<Tensors(const Tensors&)>;

struct OpCase {
  std::string name;
  /// Names of the sizes, as in the op's header; `sizes` are the shapes that are compared.
  std::string letters;
  std::vector<std::vector<int64_t>> sizes;
  /// Inputs of one shape in float64; integer ones stay as they are in every dtype.
  std::function<Tensors(const std::vector<int64_t>& size, Draw& draw)> inputs;
  Op fused, reference;
  Tolerance float32, bfloat16;
  /// Shape that is timed: of a Llama with 100 M parameters, 4 rows of 2048 tokens.
  std::vector<int64_t> bench_size;
  /// Products belong to a library that may cut its sums by threads, and a row of zeros times NaN is NaN.
  bool has_matrix_products = false;
};

/// The table: one row an op.
const std::vector<OpCase>& op_cases();

/// Times the ops of the table, or the one of this name, fused against plain; prints a JSON line a pass.
void bench_ops(const std::string& name);

}  // namespace tongueforge::test

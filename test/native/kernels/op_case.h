// An op of native/kernels, declared once for the harness: what it takes, the fused code, the plain one.
#pragma once
#include <functional>
#include <optional>
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

/// Random float64 and integer tensors on the CPU, the same for the same seed; on another device, for the
/// bench, float32 and new each time.
class Draw {
 public:
  explicit Draw(uint64_t seed) : generator_(at::detail::createCPUGenerator(seed)) {}
  explicit Draw(at::Device device) : options_(at::TensorOptions(device).dtype(at::kFloat)) {}
  at::Tensor normal(at::IntArrayRef shape) { return at::randn(shape, generator_, options_); }
  at::Tensor below(int64_t limit, at::IntArrayRef shape) {
    return at::randint(limit, shape, generator_, options_.dtype(at::kLong));
  }

 private:
  std::optional<at::Generator> generator_;
  at::TensorOptions options_ = at::TensorOptions(at::kCPU).dtype(at::kDouble);
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
  Tolerance float32, bfloat16, float16;
  /// Shape that is timed: of a Llama with 100 M parameters, 4 rows of 2048 tokens.
  std::vector<int64_t> bench_size;
  /// Shape that is timed on a GPU: each tensor several times its cache, as of a Llama with 8 G parameters.
  /// Empty: not timed there.
  std::vector<int64_t> cuda_bench_size;
  /// Shapes for the CUDA twin beside `sizes`: nothing at all, long rows, more blocks than run at once.
  std::vector<std::vector<int64_t>> cuda_sizes;
  /// Products belong to a library that may cut its sums by threads, and a row of zeros times NaN is NaN.
  bool has_matrix_products = false;
};

/// The table: one row an op.
const std::vector<OpCase>& op_cases();

/// Times the ops of the table, or the one of this name, fused against plain; prints a JSON line a pass.
void bench_ops(const std::string& name);
/// The same on the first GPU, beside a copy on the device, and AdamW's update as "adamw". Without a GPU it
/// says so.
void bench_ops_cuda(const std::string& name);

}  // namespace tongueforge::test

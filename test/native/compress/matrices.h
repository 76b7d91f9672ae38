// Random matrices and what the tests of pruning measure on them.
#pragma once
#include "compress/inverse_factor.h"
#include "core/job.h"
#include "core/random.h"
#include "testing.h"

namespace tongueforge::compress {

inline at::Tensor random_matrix(std::vector<int64_t> shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kFloat);
}

/// Inputs (P,C) that go together, as those of a model do: a few directions and some noise, of unequal sizes.
inline at::Tensor related_inputs(int64_t places, int64_t inputs, uint64_t seed) {
  const auto directions = random_matrix({std::max<int64_t>(inputs / 4, 1), inputs}, seed);
  const auto sizes = random_matrix({inputs}, seed + 1).exp();
  return (random_matrix({places, directions.size(0)}, seed + 2).mm(directions) +
          random_matrix({places, inputs}, seed + 3)) *
         sizes;
}

inline int64_t zeros_of(const at::Tensor& x) { return x.eq(0).sum().item<int64_t>(); }

/// || difference X ||_F^2 in double, X^T X = gram.
inline double squared_error(const at::Tensor& difference_RC, const at::Tensor& gram_CC) {
  const auto d = difference_RC.to(at::kDouble);
  return (d.mm(gram_CC.to(at::kDouble)) * d).sum().item<double>();
}

/// Runs work with this many threads of ATen.
template <class Work>
auto with_threads(int threads, const Work& work) {
  const int before = at::get_num_threads();
  at::set_num_threads(threads);
  auto result = work();
  at::set_num_threads(before);
  return result;
}

}  // namespace tongueforge::compress

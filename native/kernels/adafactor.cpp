#include "kernels/adafactor.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/reference.h"
#include "kernels/simd.h"

namespace tongueforge::kernels {
namespace {

using namespace simd;
using Coefficients = AdafactorCoefficients;
using Tensor = AdafactorTensor;

// Sums go over blocks of rows that do not depend on the number of threads, then over the blocks in their
// order.
constexpr int64_t kMaxBlocks = 64;

struct Blocks {
  int64_t rows, size, count;

  Blocks(int64_t num_rows, int64_t columns)
      : rows(num_rows),
        size(std::max(rows_per_thread(columns), (num_rows + kMaxBlocks - 1) / kMaxBlocks)),
        count((num_rows + size - 1) / size) {}

  /// body(block, row, width) for every row of every block, blocks in parallel.
  template <class Body>
  void for_each_row(const Body& body) const {
    at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
      vectorised([&](auto width) TONGUEFORGE_INLINED {
        for (int64_t block = begin; block < end; block++)
          for (int64_t row = block * size; row < std::min(rows, (block + 1) * size); row++)
            body(block, row, width);
      });
    });
  }
};

// ---- loops over one row ----

// Adds the squares to sums (C); gives their sum.
template <int Bytes>
TONGUEFORGE_INLINE float add_squares(const float* __restrict gradient, float* __restrict sums, int64_t n) {
  using L = Lanes<float, Bytes>;
  typename L::Value total = {};
  for_lanes<float, Bytes>(n, [&](int64_t i, auto part) TONGUEFORGE_INLINED {
    const auto v = L::load(gradient + i, part);
    total += v * v;
    L::store(sums + i, L::load(sums + i, part) + v * v, part);
  });
  return simd::sum(total);
}

// Sum of (gradient * factors)^2.
template <int Bytes>
TONGUEFORGE_INLINE float squares_of_update(const float* __restrict gradient, const float* __restrict factors,
                                           int64_t n) {
  using L = Lanes<float, Bytes>;
  typename L::Value total = {};
  for_lanes<float, Bytes>(n, [&](int64_t i, auto part) TONGUEFORGE_INLINED {
    const auto u = L::load(gradient + i, part) * L::load(factors + i, part);
    total += u * u;
  });
  return simd::sum(total);
}

struct Step {
  float kept;   // of the parameter: 1 - lr * weight_decay
  float scale;  // of this row's update
  float beta1;
};

template <int Bytes>
TONGUEFORGE_INLINE void update_row(const Tensor& t, int64_t row, const float* __restrict factors, Step step) {
  using L = Lanes<float, Bytes>;
  float* __restrict parameter = t.parameter + row * t.columns;
  const float* __restrict gradient = t.gradient + row * t.columns;
  float* __restrict moment = t.first_moment ? t.first_moment + row * t.columns : nullptr;
  for_lanes<float, Bytes>(t.columns, [&](int64_t i, auto part) TONGUEFORGE_INLINED {
    auto update = L::load(gradient + i, part) * L::load(factors + i, part) * step.scale;
    if (moment) {
      update = L::load(moment + i, part) * step.beta1 + update * (1 - step.beta1);
      L::store(moment + i, update, part);
    }
    L::store(parameter + i, L::load(parameter + i, part) * step.kept - update, part);
  });
}

// ---- one parameter ----

/// The update of lr 1 is gradient * row * column.
struct Factors {
  std::vector<float> row, column;
};

void average(float& moment, double square, const Coefficients& c) {
  moment = static_cast<float>(c.beta2 * moment + (1 - c.beta2) * (square + c.eps));
}

void update_moments(const Tensor& t, const Blocks& blocks, const Coefficients& c) {
  std::vector<float> sums(static_cast<size_t>(blocks.count * t.columns));
  blocks.for_each_row([&](int64_t block, int64_t row, auto width) TONGUEFORGE_INLINED {
    const float squares =
        add_squares<width()>(t.gradient + row * t.columns, sums.data() + block * t.columns, t.columns);
    if (t.row_moment) average(t.row_moment[row], squares / static_cast<double>(t.columns), c);
  });
  for (int64_t block = 1; block < blocks.count; block++)
    for (int64_t i = 0; i < t.columns; i++)
      sums[static_cast<size_t>(i)] += sums[static_cast<size_t>(block * t.columns + i)];
  for (int64_t i = 0; i < t.columns; i++)
    average(t.column_moment[i], sums[static_cast<size_t>(i)] / static_cast<double>(t.rows), c);
}

Factors factors_of(const Tensor& t) {
  Factors factors = {std::vector<float>(static_cast<size_t>(t.rows), 1.0f),
                     std::vector<float>(static_cast<size_t>(t.columns))};
  std::transform(t.column_moment, t.column_moment + t.columns, factors.column.begin(),
                 [](float moment) { return 1 / std::sqrt(moment); });
  if (!t.row_moment) return factors;
  const double mean = std::accumulate(t.row_moment, t.row_moment + t.rows, 0.0) / static_cast<double>(t.rows);
  std::transform(t.row_moment, t.row_moment + t.rows, factors.row.begin(),
                 [mean](float moment) { return static_cast<float>(1 / std::sqrt(moment / mean)); });
  return factors;
}

double sum_of_squares(const Tensor& t, const Blocks& blocks, const Factors& factors) {
  std::vector<double> sums(static_cast<size_t>(blocks.count));
  blocks.for_each_row([&](int64_t block, int64_t row, auto width) TONGUEFORGE_INLINED {
    const double factor = factors.row[static_cast<size_t>(row)];
    sums[static_cast<size_t>(block)] +=
        factor * factor *
        squares_of_update<width()>(t.gradient + row * t.columns, factors.column.data(), t.columns);
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

Tensor matrix_of(const Tensor& t, int64_t number) {
  const auto at = [number](auto* values, int64_t size) { return values ? values + number * size : nullptr; };
  const int64_t size = t.rows * t.columns;
  return {at(t.parameter, size),
          at(t.gradient, size),
          at(t.row_moment, t.rows),
          at(t.column_moment, t.columns),
          at(t.first_moment, size),
          t.rows,
          t.columns};
}

}  // namespace

void adafactor_(const AdafactorTensor& t, const AdafactorCoefficients& c) {
  const int64_t size = t.matrices * t.rows * t.columns;
  if (size == 0) return;
  const Blocks blocks(t.rows, t.columns);
  std::vector<Factors> all;
  double squares = 0;
  for (int64_t number = 0; number < t.matrices; number++) {
    const auto matrix = matrix_of(t, number);
    update_moments(matrix, blocks, c);
    all.push_back(factors_of(matrix));
    squares += sum_of_squares(matrix, blocks, all.back());
  }
  const double root_mean_square = std::sqrt(squares / static_cast<double>(size));
  const double scale = c.lr / std::max(1.0, root_mean_square / c.clip_threshold);
  const auto kept = static_cast<float>(1 - c.lr * c.weight_decay);
  for (int64_t number = 0; number < t.matrices; number++) {
    const auto matrix = matrix_of(t, number);
    const auto& factors = all[static_cast<size_t>(number)];
    blocks.for_each_row([&](int64_t, int64_t row, auto width) TONGUEFORGE_INLINED {
      const auto of_row = static_cast<float>(scale * factors.row[static_cast<size_t>(row)]);
      update_row<width()>(matrix, row, factors.column.data(), {kept, of_row, static_cast<float>(c.beta1)});
    });
  }
}

void adafactor_(const AdafactorState& state, const AdafactorCoefficients& c) {
  const at::NoGradGuard no_grad;
  const auto& [parameter, gradient, row, column, first] = state;
  if (parameter.numel() == 0) return;
  if (!parameter.is_cpu()) return reference::adafactor_(state, c);
  const auto dense = gradient.to(at::kFloat).contiguous();
  const auto data = [](const at::Tensor& maybe) {
    return maybe.defined() ? maybe.mutable_data_ptr<float>() : nullptr;
  };
  const int64_t rows = row.defined() ? parameter.size(-2) : 1, columns = parameter.size(-1);
  adafactor_({data(parameter), dense.const_data_ptr<float>(), data(row), data(column), data(first), rows,
              columns, parameter.numel() / (rows * columns)},
             c);
}

}  // namespace tongueforge::kernels

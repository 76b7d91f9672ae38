#include "compress/input_statistics.h"

#include "kernels/aten.h"
#include "kernels/matrix_product.h"

namespace tongueforge::compress {
namespace {

constexpr int64_t kColumnsPerThread = 64;  // whole cache lines of every row
constexpr int64_t kPanel = 512;            // columns of H at a time: wide enough for a product at full rate

// sums[j] += x_j^2, place after place.
void add_squares(const float* x, int64_t places, int64_t columns, int64_t begin, int64_t end, double* sums) {
  for (int64_t place = 0; place < places; place++)
    for (int64_t j = begin; j < end; j++) {
      const double value = x[place * columns + j];
      sums[j] += value * value;
    }
}

}  // namespace

void InputNorms::add(const at::Tensor& x_PC) {
  const auto x = x_PC.to(at::kFloat).contiguous();
  at::parallel_for(0, x.size(1), kColumnsPerThread, [&](int64_t begin, int64_t end) {
    add_squares(x.const_data_ptr<float>(), x.size(0), x.size(1), begin, end, squares_.data());
  });
}

at::Tensor InputNorms::norms() const { return at::tensor(squares_, at::kDouble).sqrt().to(at::kFloat); }

InputGram::InputGram(int64_t inputs, at::ScalarType dtype) : gram_CC_(at::zeros({inputs, inputs}, dtype)) {}

void InputGram::add(const at::Tensor& x_PC) {
  const auto x = x_PC.to(gram_CC_.scalar_type());
  for (int64_t begin = 0; begin < x.size(1); begin += kPanel) {
    const int64_t end = std::min(begin + kPanel, x.size(1));
    kernels::matrix_product_into(gram_CC_.slice(0, begin, end).slice(1, begin), x.slice(1, begin, end).t(),
                                 x.slice(1, begin), 1);
  }
}

at::Tensor InputGram::take() {
  const int64_t size = gram_CC_.size(0);
  for (int64_t begin = 0; begin < size; begin += kPanel) {
    const int64_t end = std::min(begin + kPanel, size);
    gram_CC_.slice(0, end).slice(1, begin, end).copy_(gram_CC_.slice(0, begin, end).slice(1, end).t());
  }
  return std::exchange(gram_CC_, {});
}

}  // namespace tongueforge::compress

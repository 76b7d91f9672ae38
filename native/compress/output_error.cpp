#include "compress/output_error.h"

#include "kernels/aten.h"
#include "kernels/matrix_product.h"

namespace tongueforge::compress {
namespace {

double norm_of_product(const at::Tensor& inputs_SC, const at::Tensor& weight_RC) {
  return kernels::matrix_product(inputs_SC, weight_RC.t()).square().sum(at::kDouble).sqrt().item<double>();
}

}  // namespace

at::Tensor EvenPlaces::operator()(const at::Tensor& x_PC) {
  std::vector<int64_t> rows;
  // Place p is kept where p * kept / places steps up.
  for (int64_t row = 0; row < x_PC.size(0); row++, seen_++)
    if ((seen_ + 1) * kept_ / places_ > seen_ * kept_ / places_) rows.push_back(row);
  return x_PC.index_select(0, at::tensor(rows, at::kLong)).to(at::kFloat);
}

at::Tensor InputSample::take() {
  auto all = at::cat(parts_);
  parts_.clear();
  return all;
}

void OutputNorm::add(const at::Tensor& y_PR) {
  squares_ += places_(y_PR).square().sum(at::kDouble).item<double>();
}

double relative_error(const at::Tensor& before_RC, const at::Tensor& after_RC, const at::Tensor& inputs_SC,
                      std::optional<double> maybe_norm_before) {
  const double difference = norm_of_product(inputs_SC, before_RC - after_RC);
  if (difference == 0) return 0;
  return difference / (maybe_norm_before ? *maybe_norm_before : norm_of_product(inputs_SC, before_RC));
}

}  // namespace tongueforge::compress

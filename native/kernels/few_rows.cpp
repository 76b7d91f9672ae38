#include "kernels/few_rows.h"

#include <algorithm>
#include <utility>

#include "kernels/aten.h"
#include "kernels/few_rows_loops.h"

namespace tongueforge::kernels {
namespace {

using few_rows::Pairs;
using few_rows::Product;
using few_rows::Widened;

thread_local bool as_recorded = false;

bool has_pairs(Instructions level) {
#if defined(__x86_64__)
  return level == Instructions::Avx512 && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

template <int Bytes>
TONGUEFORGE_INLINE void multiply(const Product<float>& p, Instructions, int64_t begin, int64_t end) {
  few_rows::outputs_of<Widened<float, Bytes>, Bytes>(p, begin, end);
}

template <int Bytes>
TONGUEFORGE_INLINE void multiply(const Product<at::BFloat16>& p, Instructions level, int64_t begin,
                                 int64_t end) {
  if constexpr (Bytes == 64)
    if (has_pairs(level)) return few_rows::outputs_of<Pairs, 64>(p, begin, end);
  few_rows::outputs_of<Widened<at::BFloat16, Bytes>, Bytes>(p, begin, end);
}

template <class T>
Product<T> product_of(const at::Tensor& y, const at::Tensor& x_MI, const ThinWeight& w) {
  return {.x = x_MI.const_data_ptr(),
          .weight = w.weight.const_data_ptr<T>(),
          .maybe_scales = nullptr,
          .maybe_bias = w.maybe_bias.defined() ? w.maybe_bias.const_data_ptr<T>() : nullptr,
          .y = y.mutable_data_ptr<T>(),
          .rows = x_MI.size(0),
          .inputs = w.weight.size(1),
          .outputs = w.weight.size(0),
          .weight_stride = w.weight.stride(0)};
}

// Outputs are numbered through all weights.
template <class T>
void products_into(const std::vector<at::Tensor>& all, const at::Tensor& x_MI,
                   const std::vector<ThinWeight>& weights, Instructions level) {
  std::vector<Product<T>> products;
  int64_t outputs = 0;
  for (size_t i = 0; i < weights.size(); i++) {
    products.push_back(product_of<T>(all[i], x_MI, weights[i]));
    outputs += products.back().outputs;
  }
  few_rows::in_parallel(outputs, x_MI.numel(), level,
                        [&](auto bytes, int64_t begin, int64_t end) TONGUEFORGE_INLINED {
                          int64_t first = 0;
                          for (const auto& p : products) {
                            const int64_t from = std::max<int64_t>(begin - first, 0);
                            const int64_t to = std::min(end - first, p.outputs);
                            if (from < to) multiply<bytes()>(p, level, from, to);
                            first += p.outputs;
                          }
                        });
}

bool has_dense_outputs(const at::Tensor& weight) {
  return weight.dim() == 2 && weight.numel() > 0 && weight.stride(1) == 1;
}

}  // namespace

bool takes_few_rows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& maybe_bias) {
  const auto type = x.scalar_type();
  if (at::GradMode::is_enabled() || as_recorded) return false;
  if (!x.is_cpu() || (type != at::kFloat && type != at::kBFloat16)) return false;
  const auto fits = [&](const at::Tensor& other) { return other.is_cpu() && other.scalar_type() == type; };
  if (!fits(weight) || !has_dense_outputs(weight) || x.dim() == 0 || x.size(-1) != weight.size(1))
    return false;
  if (maybe_bias.defined() &&
      (!fits(maybe_bias) || !maybe_bias.is_contiguous() || maybe_bias.sizes() != weight.sizes().slice(0, 1)))
    return false;
  return x.numel() > 0 && x.numel() <= kFewRows * weight.size(1);
}

at::Tensor few_rows_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& maybe_bias,
                           Instructions level) {
  return few_rows_linears(x, {{weight, maybe_bias}}, level).front();
}

std::vector<at::Tensor> few_rows_linears(const at::Tensor& x, const std::vector<ThinWeight>& weights,
                                         Instructions level) {
  const at::NoGradGuard no_grad;
  auto sizes = x.sizes().vec();
  std::vector<at::Tensor> all;
  for (const auto& w : weights) {
    sizes.back() = w.weight.size(0);
    all.push_back(at::empty(sizes, x.options()));
  }
  auto x_MI = x.reshape({-1, x.size(-1)}).contiguous();
  if (x.scalar_type() == at::kFloat) {
    products_into<float>(all, x_MI, weights, level);
  } else {
    if (!has_pairs(level)) x_MI = x_MI.to(at::kFloat);
    products_into<at::BFloat16>(all, x_MI, weights, level);
  }
  return all;
}

AsRecordedScope::AsRecordedScope() : before_(std::exchange(as_recorded, true)) {}
AsRecordedScope::~AsRecordedScope() { as_recorded = before_; }

}  // namespace tongueforge::kernels

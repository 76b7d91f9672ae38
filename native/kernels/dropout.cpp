#include "kernels/dropout.h"

#include <bit>

#include "kernels/autograd.h"
#include "kernels/cuda/glue.h"
#include "kernels/dropout_cuda.h"

namespace tongueforge::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kGrain = 1 << 14;  // values a thread takes at least

uint64_t threshold_of(const DropoutKey& dropout) { return static_cast<uint64_t>(dropout.rate * 0x1p32); }

float kept_scale_of(const DropoutKey& dropout) { return static_cast<float>(1 / (1 - dropout.rate)); }

// x >> bits without its sign.
at::Tensor shifted(const at::Tensor& x, int64_t bits) {
  return x.bitwise_right_shift(bits).bitwise_and_((int64_t{1} << (64 - bits)) - 1);
}

// The same as is_dropped() by plain operators, for the places 0 to n - 1, on any device; 64-bit products
// wrap.
at::Tensor dropped_places(int64_t n, uint64_t key, uint64_t threshold, at::Device device) {
  const auto as_signed = [](uint64_t bits) { return std::bit_cast<int64_t>(bits); };
  constexpr uint64_t kStep = 0x9e3779b97f4a7c15u;
  auto z = at::arange(n, at::device(device).dtype(at::kLong));
  z.mul_(as_signed(kStep)).add_(as_signed(key + kStep));
  z.bitwise_xor_(shifted(z, 30)).mul_(as_signed(0xbf58476d1ce4e5b9u));
  z.bitwise_xor_(shifted(z, 27)).mul_(as_signed(0x94d049bb133111ebu));
  z.bitwise_xor_(shifted(z, 31));
  return shifted(z, 32).lt(as_signed(threshold));
}

at::Tensor drop_on_cuda(const at::Tensor& x, const DropoutKey& dropout) {
  auto result = at::empty_like(x);
  if constexpr (cuda::kBuilt)
    cuda::drop({.x = x.const_data_ptr<float>(),
                .y = result.mutable_data_ptr<float>(),
                .size = x.numel(),
                .key = dropout.key,
                .threshold = threshold_of(dropout),
                .kept_scale = kept_scale_of(dropout)},
               cuda::stream_of(x));
  return result;
}

at::Tensor drop_of_any(const at::Tensor& x, const DropoutKey& dropout) {
  return drop(x.to(at::kFloat).contiguous(), dropout).to(x.scalar_type());
}

class Dropped : public torch::autograd::Function<Dropped> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, double rate, int64_t key) {
    context->saved_data["rate"] = rate;
    context->saved_data["key"] = key;
    return drop_of_any(x, {rate, static_cast<uint64_t>(key)});
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const DropoutKey dropout = {context->saved_data["rate"].toDouble(),
                                static_cast<uint64_t>(context->saved_data["key"].toInt())};
    return {drop_of_any(gradients[0], dropout), {}, {}};
  }
};

}  // namespace

at::Tensor drop(const at::Tensor& x, const DropoutKey& dropout) {
  if (cuda::has_twin(x)) return drop_on_cuda(x, dropout);
  if (!x.is_cpu()) return drop_reference(x, dropout);
  auto result = at::empty_like(x);
  const auto threshold = threshold_of(dropout);
  const auto kept_scale = kept_scale_of(dropout);
  const float* from = x.const_data_ptr<float>();
  float* to = result.data_ptr<float>();
  at::parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      to[i] = is_dropped(dropout.key, static_cast<uint64_t>(i), threshold) ? 0.0f : from[i] * kept_scale;
  });
  return result;
}

at::Tensor drop_reference(const at::Tensor& x, const DropoutKey& dropout) {
  const auto dropped = dropped_places(x.numel(), dropout.key, threshold_of(dropout), x.device());
  return x.mul(kept_scale_of(dropout)).masked_fill_(dropped.view(x.sizes()), 0);
}

at::Tensor dropped(const at::Tensor& x, const DropoutKey& dropout) {
  return dropout.rate > 0 ? Dropped::apply(x, dropout.rate, static_cast<int64_t>(dropout.key)) : x;
}

}  // namespace tongueforge::kernels

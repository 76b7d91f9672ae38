// Between tensors and the CUDA twins of this folder: which tensors they take, and on which stream. Without
// CUDA, has_twin is constant, so that code behind it needs no twin to link:
//   if constexpr (cuda::kBuilt)
//     if (cuda::has_twin(x, weight)) cuda::rms_norm_forward(cuda::element_of(x), {...}, cuda::stream_of(x));
#pragma once
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "kernels/aten.h"
#include "kernels/cuda/launch.h"

namespace tongueforge::kernels::cuda {

/// Whether this build has the CUDA twins.
inline constexpr bool kBuilt = TONGUEFORGE_CUDA;

/// Whether the CUDA twins take these tensors: all on one CUDA device, all float32, bfloat16, float16 or
/// float64.
template <class... Tensors>
constexpr bool has_twin(const at::Tensor& first, const Tensors&... others) {
  if constexpr (!kBuilt) return false;
  const auto type = first.scalar_type();
  const bool known = type == at::kFloat || type == at::kBFloat16 || type == at::kHalf || type == at::kDouble;
  return first.is_cuda() && known &&
         ((others.device() == first.device() && others.scalar_type() == type) && ...);
}

/// The element type of a tensor that has_twin takes.
inline Element element_of(const at::Tensor& x) {
  const auto type = x.scalar_type();
  if (type == at::kFloat) return Element::f32;
  if (type == at::kBFloat16) return Element::bf16;
  return type == at::kHalf ? Element::f16 : Element::f64;
}

/// The stream of a launch. While it lives, its device is the current one: a kernel starts on no other.
struct CurrentStream {
  c10::DeviceGuard device;
  Stream stream;
  operator Stream() const { return stream; }
};

/// torch's current stream of the tensor's device; asked through c10, which needs no CUDA header. As an
/// argument of a launcher it lives until the launch is done.
inline CurrentStream stream_of(const at::Tensor& x) {
  const c10::impl::VirtualGuardImpl torch(x.device().type());
  return {c10::DeviceGuard(x.device()), torch.getStream(x.device()).native_handle()};
}

}  // namespace tongueforge::kernels::cuda

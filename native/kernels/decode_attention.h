// Attention of one new token a sequence over a cache of fixed size: what a step of generation needs, with the
// number of tokens so far on the device, so that the step can be recorded (kernels/graph.h). On CUDA the keys
// are split over many blocks (Flash-Decoding, Dao et al. 2023).
// Letters: B batch, N heads, K kv heads, S room of the cache, H head dim.
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::kernels {

/// q (B,N,1,H), k and v (B,K,1,H) in any layout, N a multiple of K; cos and sin (1,1,S,H), the rotation of
/// every place (kernels/rotary.h); the cache (B,K,S,H) twice, dense, with numbers everywhere; place (1)
/// int64, from 0 to S-1, all on one device. Turns q and k to the place, writes k and v to the cache there,
/// and gives the attention of q to them and to those before, `window` of them at most (0: all) -> (B,1,N*H).
/// Not differentiable.
at::Tensor decode_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& cos, const at::Tensor& sin, const at::Tensor& cache_k,
                            const at::Tensor& cache_v, const at::Tensor& place, int64_t window);

}  // namespace tongueforge::kernels

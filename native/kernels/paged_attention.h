// Attention of single tokens over keys and values that lie in pages, as a server keeps them for many
// sequences: each sequence has a list of pages, anywhere in the pool, and pages can belong to several (vLLM:
// Kwon et al. 2023, arXiv 2309.06180). On the CPU. Letters: M rows, N heads, K kv heads, H head dim, P pages
// of the pool, S positions of a page.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace tongueforge::kernels {

/// Positions of a page. What is computed does not depend on it but for the last bits.
constexpr int64_t kPageSize = 32;

/// Rows of tokens, several of one sequence allowed.
struct PagedRows {
  struct Row {
    int64_t first_page;  // of its sequence, in `pages`
    int64_t place;       // of the token in its sequence
  };
  std::vector<int32_t> pages;  // of all sequences, each in order; page place / S holds a place
  std::vector<Row> rows;
};

/// q (M,N,1,H), k and v (M,K,1,H), turned to their places, N a multiple of K; the pool: keys (P,K,H,S),
/// values (P,K,S,H), dense; all float32 or all bfloat16. Writes keys and values to the places of their rows,
/// then gives the attention of each row to its own place and those before, `window` of them at most (0: all)
/// -> (M,1,N*H). A row gives the same bits whatever rows are beside it, and sees keys of other rows of its
/// sequence. Not differentiable.
at::Tensor paged_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const at::Tensor& pool_k, const at::Tensor& pool_v, const PagedRows& rows,
                           int64_t window);

}  // namespace tongueforge::kernels

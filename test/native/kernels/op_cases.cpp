// The ops of native/kernels. To add one: a row here (docs/add_a_kernel.md).
#include "kernels/embedding.h"
#include "kernels/hidden_match.h"
#include "kernels/linear_cross_entropy.h"
#include "kernels/linear_distillation.h"
#include "kernels/reference.h"
#include "kernels/rms_norm.h"
#include "kernels/rotary.h"
#include "kernels/swiglu.h"
#include "op_case.h"

namespace tongueforge::test {
namespace {

constexpr double kEps = 1e-5;

// One float32 rounding is 6e-8 of the value; a row's sums add some of them, not all in one direction.
constexpr Tolerance kFloat32Rows{1e-6, 2e-6, "a few float32 roundings, and sums of a row in float32"};
// bfloat16 keeps 8 bits: each rounding is up to 0.4 % of the value.
constexpr Tolerance kBfloat16Once{1e-6, 0.4e-2, "one bfloat16 rounding of the result"};
constexpr Tolerance kBfloat16Twice{1e-6, 0.8e-2, "two bfloat16 roundings, one between the steps"};

// float16 keeps 11 bits, and below 6e-5 steps of 6e-8.
constexpr Tolerance kFloat16Once{1e-6, 0.05e-2, "one float16 rounding of the result"};
constexpr Tolerance kFloat16Twice{1e-6, 0.1e-2, "two float16 roundings, one between the steps"};

constexpr Tolerance kFloat32Head{1e-5, 5e-6, "products and sums of M, V and D terms in float32"};
constexpr Tolerance kBfloat16Head{1e-2, 2e-2,
                                  "logits and their gradient in bfloat16, and cancellation at the target"};
constexpr Tolerance kFloat16Head{1.5e-3, 3e-3,
                                 "logits and their gradient in float16, and cancellation at the target"};

Tensors rms_norm_inputs(const std::vector<int64_t>& s, Draw& draw) {
  return {draw.normal({s[0], s[1]}), draw.normal({s[1]})};
}

Tensors add_rms_norm_inputs(const std::vector<int64_t>& s, Draw& draw) {
  return {draw.normal({s[0], s[1]}), draw.normal({s[0], s[1]}), draw.normal({s[1]})};
}

// q (B,N,T,H) and k (B,K,T,H), in memory (B,T,N,H) as a projection leaves them; angles of T positions, others
// in each row.
Tensors rotary_inputs(const std::vector<int64_t>& s, Draw& draw) {
  const auto half = draw.normal({s[0], 1, s[3], s[4] / 2}).mul(3);
  const auto angle = at::cat({half, half}, -1);
  const auto heads = [&](int64_t n) { return draw.normal({s[0], s[3], n, s[4]}).transpose(1, 2); };
  return {heads(s[1]), heads(s[2]), angle.cos(), angle.sin()};
}

Tensors swiglu_inputs(const std::vector<int64_t>& s, Draw& draw) {
  return {draw.normal({s[0], s[1]}).mul(4), draw.normal({s[0], s[1]})};
}

Tensors packed_swiglu_inputs(const std::vector<int64_t>& s, Draw& draw) {
  return {draw.normal({s[0], 2 * s[1]}).mul(4)};
}

// hidden (M,D), weight (V,D), targets (M) of which every fifth is none.
Tensors head_inputs(const std::vector<int64_t>& s, Draw& draw) {
  auto targets = draw.below(s[1], {s[0]});
  targets.slice(0, 0, s[0], 5).fill_(-100);
  const double scale = 2.0 / std::sqrt(static_cast<double>(s[2]));
  return {draw.normal({s[0], s[2]}), draw.normal({s[1], s[2]}).mul(scale), targets};
}

// The same with a bias (V) before the targets.
Tensors biased_head_inputs(const std::vector<int64_t>& s, Draw& draw) {
  const auto inputs = head_inputs(s, draw);
  return {inputs[0], inputs[1], draw.normal({s[1]}), inputs[2]};
}

// A student's hidden (M,D), head (V,D) and bias (V), a teacher's of twice the width, and targets as above.
Tensors distillation_inputs(const std::vector<int64_t>& s, Draw& draw) {
  const auto student = biased_head_inputs(s, draw);
  const auto teacher = biased_head_inputs({s[0], s[1], 2 * s[2]}, draw);
  return {student[0], student[1], student[2], teacher[0], teacher[1], teacher[2], student[3]};
}

// The two settings of the table: they differ in temperature, share, direction, chunks and biases.
struct DistillationCase {
  kernels::DistillationOptions options;
  bool biased;

  kernels::HeadInputs student(const Tensors& x) const { return {x[0], x[1], biased ? x[2] : at::Tensor()}; }
  kernels::HeadInputs teacher(const Tensors& x) const { return {x[3], x[4], biased ? x[5] : at::Tensor()}; }
  Tensors fused(const Tensors& x) const {
    return {kernels::linear_distillation(student(x), teacher(x), x[6], options).total};
  }
  Tensors plain(const Tensors& x) const {
    const auto [nll, divergence] =
        kernels::reference::distillation_losses(student(x), teacher(x), x[6], options);
    return {nll.mul(1 - options.alpha).add(divergence, options.alpha * options.divergence_weight()).sum()};
  }
};
const DistillationCase kSoft = {{.temperature = 2, .alpha = 0.7}, /*biased=*/false};
const DistillationCase kSharp = {{.temperature = 0.7,
                                  .alpha = 0.4,
                                  .squared = false,
                                  .divergence = kernels::Divergence::reverse,
                                  .chunks = {.rows = 6}},
                                 /*biased=*/true};

Tensors pair(const std::pair<at::Tensor, at::Tensor>& two) { return {two.first, two.second}; }

const std::vector<std::vector<int64_t>> kRowSizes = {{1, 1},  {3, 5},    {7, 13},    {2, 64},   {5, 63},
                                                     {4, 65}, {33, 127}, {257, 128}, {129, 769}};
const std::vector<std::vector<int64_t>> kHeadSizes = {{1, 1, 1},    {3, 5, 7},     {7, 16, 8},   {17, 63, 13},
                                                      {64, 65, 32}, {31, 257, 64}, {600, 129, 4}};
const std::vector<std::vector<int64_t>> kChunkedSizes = {{7, 9, 3}, {31, 64, 17}, {40, 33, 8}};
const std::vector<std::vector<int64_t>> kCudaRowSizes = {{0, 8},       {1, 16384},   {3, 8191},   {2, 16368},
                                                         {2053, 1024}, {1030, 2048}, {1100, 4096}};
const std::vector<std::vector<int64_t>> kCudaHeadSizes = {
    {0, 9, 3}, {2, 1025, 8}, {3, 50257, 16}, {5, 262144, 8}, {2055, 4099, 64}};
const std::vector<std::vector<int64_t>> kCudaChunkedSizes = {{13, 8191, 24}};
constexpr double kZLoss = 1e-3;
constexpr double kCosine = 0.6;

}  // namespace

const std::vector<OpCase>& op_cases() {
  namespace k = kernels;
  namespace r = kernels::reference;
  static const std::vector<OpCase> cases = {
      {"rms_norm",
       "M,D",
       kRowSizes,
       rms_norm_inputs,
       [](const Tensors& x) { return Tensors{k::rms_norm(x[0], x[1], kEps)}; },
       [](const Tensors& x) { return Tensors{r::rms_norm(x[0], x[1], kEps)}; },
       kFloat32Rows,
       kBfloat16Twice,
       kFloat16Twice,
       {8192, 768},
       {32768, 4096},
       kCudaRowSizes},
      {"rms_norm of heads",
       "M,H",
       {{2, 8}, {96, 64}, {30, 128}},
       rms_norm_inputs,
       [](const Tensors& x) { return Tensors{k::rms_norm(x[0].unflatten(0, {-1, 2}), x[1], kEps)}; },
       [](const Tensors& x) { return Tensors{r::rms_norm(x[0].unflatten(0, {-1, 2}), x[1], kEps)}; },
       kFloat32Rows,
       kBfloat16Twice,
       kFloat16Twice,
       {98304, 64},
       {1048576, 128},
       {{20002, 64}}},
      {"add_rms_norm",
       "M,D",
       kRowSizes,
       add_rms_norm_inputs,
       [](const Tensors& x) { return pair(k::add_rms_norm(x[0], x[1], x[2], kEps)); },
       [](const Tensors& x) { return pair(r::add_rms_norm(x[0], x[1], x[2], kEps)); },
       kFloat32Rows,
       {1e-6, 1.2e-2, "three bfloat16 roundings: the sum, the normalised sum, the result"},
       {1e-6, 0.15e-2, "three float16 roundings: the sum, the normalised sum, the result"},
       {8192, 768},
       {32768, 4096},
       kCudaRowSizes},
      {"rotary",
       "B,N,K,T,H",
       {{1, 1, 1, 1, 2}, {2, 3, 1, 5, 6}, {1, 4, 2, 7, 34}, {3, 2, 2, 33, 64}, {2, 6, 3, 65, 128}},
       rotary_inputs,
       [](const Tensors& x) { return pair(k::apply_rotary(x[0], x[1], x[2].detach(), x[3].detach())); },
       [](const Tensors& x) {
         const auto cos = x[2].detach(), sin = x[3].detach();
         return Tensors{r::apply_rotary(x[0], cos, sin), r::apply_rotary(x[1], cos, sin)};
       },
       kFloat32Rows,
       kBfloat16Once,
       kFloat16Once,
       {4, 12, 12, 2048, 64},
       {4, 32, 8, 8192, 128},
       {{1, 2, 1, 0, 8}, {1, 32, 8, 1, 128}, {2, 5, 5, 257, 40}, {3, 16, 4, 511, 128}}},
      {"swiglu",
       "M,F",
       kRowSizes,
       swiglu_inputs,
       [](const Tensors& x) { return Tensors{k::swiglu(x[0], x[1])}; },
       [](const Tensors& x) { return Tensors{r::swiglu(x[0], x[1])}; },
       kFloat32Rows,
       kBfloat16Once,
       kFloat16Once,
       {8192, 2048},
       {16384, 14336},
       {{0, 8}, {1, 28672}, {3, 8191}, {2053, 2048}}},
      {"swiglu of one buffer",
       "M,F",
       kRowSizes,
       packed_swiglu_inputs,
       [](const Tensors& x) { return Tensors{k::swiglu(x[0])}; },
       [](const Tensors& x) {
         const auto halves = x[0].chunk(2, -1);
         return Tensors{r::swiglu(halves[0], halves[1])};
       },
       kFloat32Rows,
       kBfloat16Once,
       kFloat16Once,
       {8192, 2048},
       {16384, 14336},
       {{0, 8}, {1, 28672}, {3, 8191}, {2053, 2048}}},
      {"linear_cross_entropy",
       "M,V,D",
       kHeadSizes,
       head_inputs,
       [](const Tensors& x) {
         return Tensors{k::linear_cross_entropy(x[0], x[1], x[2], {.z_loss = kZLoss})};
       },
       [](const Tensors& x) { return Tensors{r::token_losses(x[0], x[1], x[2], kZLoss).sum()}; },
       kFloat32Head,
       kBfloat16Head,
       kFloat16Head,
       {8192, 32000, 768},
       {8192, 128256, 2048},
       kCudaHeadSizes,
       /*has_matrix_products=*/true},
      // Chunks that do not divide the rows, and weights of the rows, z-loss among what they weigh.
      {"linear_cross_entropy in chunks",
       "M,V,D",
       kChunkedSizes,
       head_inputs,
       [](const Tensors& x) {
         const auto weights = at::arange(x[0].size(0), x[0].options()).mul(0.1);
         return Tensors{k::linear_cross_entropy(
             x[0], x[1], x[2], {.z_loss = kZLoss, .row_weights = weights, .chunks = {.rows = 6}})};
       },
       [](const Tensors& x) {
         const auto weights = at::arange(x[0].size(0), x[0].options()).mul(0.1);
         return Tensors{r::token_losses(x[0], x[1], x[2], kZLoss).mul(weights).sum()};
       },
       kFloat32Head,
       kBfloat16Head,
       kFloat16Head,
       {8192, 32000, 768},
       {},
       kCudaChunkedSizes,
       /*has_matrix_products=*/true},
      {"linear_cross_entropy with a bias",
       "M,V,D",
       kChunkedSizes,
       biased_head_inputs,
       [](const Tensors& x) {
         return Tensors{k::linear_cross_entropy(x[0], x[1], x[3],
                                                {.z_loss = kZLoss, .bias = x[2], .chunks = {.rows = 6}})};
       },
       [](const Tensors& x) { return Tensors{r::token_losses(x[0], x[1], x[3], kZLoss, x[2]).sum()}; },
       kFloat32Head,
       kBfloat16Head,
       kFloat16Head,
       {8192, 30522, 768},
       {},
       kCudaChunkedSizes,
       /*has_matrix_products=*/true},
      {"token_log_probs in chunks",
       "M,V,D",
       kChunkedSizes,
       head_inputs,
       [](const Tensors& x) { return Tensors{k::token_log_probs(x[0], x[1], x[2], {.rows = 6})}; },
       [](const Tensors& x) { return Tensors{r::token_log_probs(x[0], x[1], x[2])}; },
       kFloat32Head,
       kBfloat16Head,
       kFloat16Head,
       {8192, 32000, 768},
       {},
       kCudaChunkedSizes,
       /*has_matrix_products=*/true},
      {"token_log_probs",
       "M,V,D",
       kHeadSizes,
       head_inputs,
       [](const Tensors& x) { return Tensors{k::token_log_probs(x[0], x[1], x[2])}; },
       [](const Tensors& x) { return Tensors{r::token_log_probs(x[0], x[1], x[2])}; },
       kFloat32Head,
       kBfloat16Head,
       kFloat16Head,
       {8192, 32000, 768},
       {8192, 128256, 2048},
       kCudaHeadSizes,
       /*has_matrix_products=*/true},
      {"linear_distillation",
       "M,V,D",
       kHeadSizes,
       distillation_inputs,
       [](const Tensors& x) { return kSoft.fused(x); },
       [](const Tensors& x) { return kSoft.plain(x); },
       kFloat32Head,
       kBfloat16Head,
       kFloat16Head,
       {8192, 32000, 768},
       {8192, 128256, 2048},
       kCudaHeadSizes,
       /*has_matrix_products=*/true},
      {"linear_distillation in chunks",
       "M,V,D",
       kChunkedSizes,
       distillation_inputs,
       [](const Tensors& x) { return kSharp.fused(x); },
       [](const Tensors& x) { return kSharp.plain(x); },
       kFloat32Head,
       kBfloat16Head,
       kFloat16Head,
       {8192, 32000, 768},
       {},
       kCudaChunkedSizes,
       /*has_matrix_products=*/true},
      {"embedding",
       "V,D,M",
       {{1, 1, 1}, {5, 3, 7}, {16, 8, 13}, {257, 65, 64}},
       [](const std::vector<int64_t>& s, Draw& draw) {
         return Tensors{draw.normal({s[0], s[1]}), draw.below(s[0], {s[2]})};
       },
       [](const Tensors& x) { return Tensors{k::embedding(x[0], x[1])}; },
       [](const Tensors& x) { return Tensors{x[0].index_select(0, x[1])}; },
       kFloat32Rows,
       {1e-6, 1.2e-2, "on the CPU, sums of a few gradients in bfloat16"},
       kFloat16Once,
       {32000, 768, 8192},
       {128256, 4096, 32768},
       {{7, 40, 0}, {2, 13, 97}, {3, 24, 5000}, {1, 264, 1025}, {50257, 128, 4099}}},
      {"hidden_match",
       "M,D",
       {{1, 2}, {3, 5}, {7, 13}, {33, 127}, {257, 128}},
       [](const std::vector<int64_t>& s, Draw& draw) {
         return Tensors{draw.normal({s[0], s[1]}), draw.normal({s[0], s[1]})};
       },
       [](const Tensors& x) { return Tensors{k::hidden_match(x[0], x[1], kCosine)}; },
       [](const Tensors& x) { return Tensors{r::hidden_match(x[0], x[1], kCosine).sum()}; },
       {1e-5, 5e-6, "sums of M and D terms in float32"},
       kBfloat16Twice,
       kFloat16Twice,
       {8192, 768},
       {32768, 4096},
       {{1100, 4096}}},
  };
  return cases;
}

}  // namespace tongueforge::test

// The family of task arithmetic: deltas from a base, made sparse, summed, added to the base. Its methods are
// rows of the registry that differ by a rule.
//
//   d_i = x_i - b                       the delta of input i
//   m_i = sparsify(d_i)                 by the input's density, gamma, epsilon; see sparsify.h
//   s   = sum w_i m_i [/ sum w_i]       `normalize`: divided by the sum of the weights
//   out = b + lambda * s
//
// With an election of signs (TIES, Yadav et al. 2023, arXiv 2306.01708): at each element the majority is the
// sign of sum w_i m_i (0 counts as +), and both sums take only the inputs whose w_i m_i has that sign. Unlike
// in the paper the weights vote as well, as they do in mergekit.
//
// Parameters of an input: weight (1), density (1), gamma (0.01), epsilon (0.15). Of the tensor: lambda (1),
// normalize, rescale (on).
//
// Promises: where every s is 0 (models equal to the base; lambda 0) the result is the base bit for bit, -0.0
// included. One input of weight 1, nothing dropped: the result is that input, except for elements below 2^-26
// of their base. The order of inputs changes a result by one unit in the last place of float32 at most, and
// of two inputs not at all.
#pragma once
#include "merge/methods/sparsify.h"

namespace tongueforge::merge {

struct TaskVectorRule {
  Sparsifier sparsifier = Sparsifier::NONE;
  bool elect_signs = false;
  bool normalize = false;  // the default of the parameter
};

void merge_task_vectors(const MethodTensor& tensor, TaskVectorRule rule, float* out);

/// The function of a registry row.
template <TaskVectorRule rule>
void task_vectors(const MethodTensor& tensor, float* out) {
  merge_task_vectors(tensor, rule, out);
}

}  // namespace tongueforge::merge

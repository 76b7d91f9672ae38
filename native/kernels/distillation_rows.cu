#include "kernels/cuda/softmax.cuh"
#include "kernels/distillation_rows_cuda.h"

namespace tongueforge::kernels::cuda {
namespace {

/// One row of both heads, and its numbers. S and T are the types of student and teacher.
template <class S, class T>
struct Row {
  using W = Wide<S>;
  S* student;
  const T* teacher;
  W *log_sum, *soft_log_sum, *teacher_log_sum, *nll, *divergence;
  int64_t target;

  __device__ Row(const DistillationArguments& a, int64_t i)
      : student(static_cast<S*>(a.student.data) + i * a.student.stride),
        teacher(static_cast<const T*>(a.teacher.data) + i * a.teacher.stride),
        log_sum(static_cast<W*>(a.log_sums) + i),
        soft_log_sum(static_cast<W*>(a.soft_log_sums) + i),
        teacher_log_sum(static_cast<W*>(a.teacher_log_sums) + i),
        nll(static_cast<W*>(a.nll) + i),
        divergence(static_cast<W*>(a.divergence) + i),
        target(a.targets[i]) {}
};

// p is the teacher, q the student, both over the temperature: the term of one token, and its gradient in the
// student's logit over the temperature.
template <class S>
__device__ Wide<S> term(bool reverse, Wide<S> log_p, Wide<S> log_q) {
  return reverse ? exp_of<S>(log_q) * (log_q - log_p) : exp_of<S>(log_p) * (log_p - log_q);
}
template <class S>
__device__ Wide<S> slope(bool reverse, Wide<S> log_p, Wide<S> log_q, Wide<S> divergence) {
  return reverse ? exp_of<S>(log_q) * (log_q - log_p - divergence) : exp_of<S>(log_q) - exp_of<S>(log_p);
}

template <class S, class T>
__global__ void __launch_bounds__(kMostRowThreads<S>) losses_of_rows(const DistillationArguments a) {
  using W = Wide<S>;
  const Row<S, T> row(a, blockIdx.x);
  const W softness = static_cast<W>(a.softness);
  const W log_sum = log_sum_exp(row.student, a.vocab);
  const W soft = softness == 1 ? log_sum : log_sum_exp(row.student, a.vocab, softness);
  const W of_teacher = log_sum_exp(row.teacher, a.vocab, softness);
  W divergence = 0;
  if (row.target >= 0)
    for (int64_t i = threadIdx.x; i < a.vocab; i += blockDim.x)
      divergence += term<S>(a.reverse, to_wide(row.teacher[i]) * softness - of_teacher,
                            to_wide(row.student[i]) * softness - soft);
  divergence = block_sum(divergence);
  if (threadIdx.x != 0) return;
  *row.log_sum = log_sum;
  *row.soft_log_sum = soft;
  *row.teacher_log_sum = of_teacher;
  *row.divergence = divergence;
  W nll = row.target < a.vocab ? W{0} : static_cast<W>(NAN);
  if (row.target >= 0 && row.target < a.vocab) nll = log_sum - to_wide(row.student[row.target]);
  *row.nll = nll;
}

// hard (softmax(x) - onehot(target)) + soft slope
template <class S, class T>
__global__ void __launch_bounds__(kMostRowThreads<S>) gradients_of_rows(const DistillationArguments a) {
  using W = Wide<S>;
  const Row<S, T> row(a, blockIdx.x);
  if (row.target < 0) return change_row(row.student, a.vocab, [](int64_t, W) { return W{0}; });
  const W log_sum = *row.log_sum, soft_log_sum = *row.soft_log_sum, of_teacher = *row.teacher_log_sum;
  const W divergence = *row.divergence, softness = static_cast<W>(a.softness);
  const W hard = static_cast<W>(a.hard), soft = static_cast<W>(a.soft);
  change_row(row.student, a.vocab, [&](int64_t at, W x) {
    const W of_target = exp_of<S>(x - log_sum) * hard - (at == row.target ? hard : W{0});
    const W log_p = to_wide(row.teacher[at]) * softness - of_teacher;
    return of_target + soft * slope<S>(a.reverse, log_p, x * softness - soft_log_sum, divergence);
  });
}

/// body(S{}, T{}): both double, or neither.
template <class Body>
void for_types(const DistillationArguments& a, const Body& body) {
  for_element(a.student.type, [&]<class S>(S) {
    for_element(a.teacher.type, [&]<class T>(T) {
      if constexpr (std::is_same_v<Wide<S>, Wide<T>>) body(S{}, T{});
    });
  });
}

}  // namespace

void distillation_losses(const DistillationArguments& a, Stream stream) {
  if (a.rows == 0) return;
  for_types(a, [&]<class S, class T>(S, T) {
    losses_of_rows<S, T><<<static_cast<unsigned>(a.rows), threads_for_row<S>(a.vocab), 0,
                           static_cast<cudaStream_t>(stream)>>>(a);
  });
  check_launch("distillation_losses");
}

void distillation_gradients(const DistillationArguments& a, Stream stream) {
  if (a.rows == 0) return;
  for_types(a, [&]<class S, class T>(S, T) {
    gradients_of_rows<S, T><<<static_cast<unsigned>(a.rows), threads_for_row<S>(a.vocab), 0,
                              static_cast<cudaStream_t>(stream)>>>(a);
  });
  check_launch("distillation_gradients");
}

}  // namespace tongueforge::kernels::cuda

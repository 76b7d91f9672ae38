#include "kernels/distillation_rows.h"

#include "kernels/cuda/glue.h"
#include "kernels/dispatch.h"
#include "kernels/distillation_rows_cuda.h"
#include "kernels/softmax_lanes.h"

namespace tongueforge::kernels {
namespace {

using namespace simd;

// A divergence is sum(term) over the vocabulary; slope is its gradient in the student's logits over the
// temperature. p is the teacher, q the student.
struct ForwardDivergence {
  template <class Value>
  static TONGUEFORGE_INLINE Value term(Value log_p, Value log_q) {
    return simd::exp(log_p) * (log_p - log_q);
  }
  template <class Value, class Scalar>
  static TONGUEFORGE_INLINE Value slope(Value log_p, Value log_q, Scalar) {
    return simd::exp(log_q) - simd::exp(log_p);
  }
};

struct ReverseDivergence {
  template <class Value>
  static TONGUEFORGE_INLINE Value term(Value log_p, Value log_q) {
    return simd::exp(log_q) * (log_q - log_p);
  }
  template <class Value, class Scalar>
  static TONGUEFORGE_INLINE Value slope(Value log_p, Value log_q, Scalar divergence) {
    return simd::exp(log_q) * (log_q - log_p - divergence);
  }
};

// What one row of the two is computed with; S and T are the storage types of student and teacher.
template <class S, class T>
struct Row {
  S* student;
  const T* teacher;
  int64_t v, target;
  Wide<S> softness;                                // 1 / temperature
  Wide<S> log_sum, soft_log_sum, teacher_log_sum;  // as in DistillationRows
};

// The lanes beyond the vocabulary of a last, partial register are not zero, and must not be summed.
template <class Divergence, int Bytes, class S, class T>
TONGUEFORGE_INLINE Wide<S> divergence_of(const Row<S, T>& row) {
  using LS = Lanes<S, Bytes>;
  using LT = Lanes<T, Bytes>;
  const auto term = [&](int64_t i, auto n) TONGUEFORGE_INLINED {
    return Divergence::term(LT::load(row.teacher + i, n) * row.softness - row.teacher_log_sum,
                            LS::load(row.student + i, n) * row.softness - row.soft_log_sum);
  };
  typename LS::Value total = {};
  int64_t i = 0;
  for (; i + LS::kCount <= row.v; i += LS::kCount) total += term(i, Whole{});
  auto sum = simd::sum(total);
  if (i == row.v) return sum;
  const auto last = term(i, Part{row.v - i});
  for (int64_t lane = 0; lane < row.v - i; lane++) sum += last[lane];
  return sum;
}

// hard (softmax(x) - onehot(target)) + soft slope; both terms are computed as softmax_gradients_ has the
// first.
template <class Divergence, int Bytes, class S, class T>
TONGUEFORGE_INLINE void gradient_row(const Row<S, T>& row, Wide<S> hard, Wide<S> soft, Wide<S> divergence) {
  using LS = Lanes<S, Bytes>;
  using LT = Lanes<T, Bytes>;
  const auto slope = [&](auto log_p, auto log_q)
                         TONGUEFORGE_INLINED { return Divergence::slope(log_p, log_q, divergence) * soft; };
  typename LS::Value t = {}, s = {};
  t[0] = static_cast<Wide<T>>(row.teacher[row.target]) * row.softness - row.teacher_log_sum;
  s[0] = static_cast<Wide<S>>(row.student[row.target]) * row.softness - row.soft_log_sum;
  const auto at_target =
      hard * std::exp(static_cast<Wide<S>>(row.student[row.target]) - row.log_sum) - hard + slope(t, s)[0];
  for_lanes<S, Bytes>(row.v, [&](int64_t i, auto n) TONGUEFORGE_INLINED {
    const auto x = LS::load(row.student + i, n);
    const auto y = LT::load(row.teacher + i, n);
    const auto of_target = simd::exp(x - row.log_sum) * hard;
    LS::store(row.student + i,
              of_target + slope(y * row.softness - row.teacher_log_sum, x * row.softness - row.soft_log_sum),
              n);
  });
  row.student[row.target] = static_cast<S>(at_target);
}

template <class Body>
void for_divergence(Divergence divergence, const Body& body) {
  if (divergence == Divergence::forward) return body(ForwardDivergence{});
  body(ReverseDivergence{});
}

// body(S{}, T{}): both double, or each float or at::BFloat16.
template <class Body>
void for_dtypes(at::ScalarType student, at::ScalarType teacher, const Body& body) {
  for_dtype(student, [&]<class S>(S) {
    if constexpr (std::is_same_v<S, double>) {
      body(S{}, S{});
    } else if (teacher == at::kBFloat16) {
      body(S{}, at::BFloat16{});
    } else {
      body(S{}, float{});
    }
  });
}

cuda::DistillationArguments on_cuda(const at::Tensor& student, const at::Tensor& teacher,
                                    const at::Tensor& targets, const DistillationOptions& options,
                                    const DistillationRows& rows) {
  return {
      .student = {const_cast<void*>(student.const_data_ptr()), student.stride(0), cuda::element_of(student)},
      .teacher = {const_cast<void*>(teacher.const_data_ptr()), teacher.stride(0), cuda::element_of(teacher)},
      .targets = targets.const_data_ptr<int64_t>(),
      .log_sums = rows.log_sums.mutable_data_ptr(),
      .soft_log_sums = rows.soft_log_sums.mutable_data_ptr(),
      .teacher_log_sums = rows.teacher_log_sums.mutable_data_ptr(),
      .nll = rows.nll.mutable_data_ptr(),
      .divergence = rows.divergence.mutable_data_ptr(),
      .rows = student.size(0),
      .vocab = student.size(1),
      .softness = 1 / options.temperature,
      .hard = 1 - options.alpha,
      .soft = options.alpha * options.divergence_weight() / options.temperature,
      .reverse = options.divergence == Divergence::reverse};
}

}  // namespace

DistillationRows DistillationRows::narrow(int64_t begin, int64_t m) const {
  const auto part = [&](const at::Tensor& all) { return all.narrow(0, begin, m); };
  return {part(log_sums), part(soft_log_sums), part(teacher_log_sums), part(nll), part(divergence)};
}

void distillation_losses(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& targets,
                         const DistillationOptions& options, DistillationRows& rows) {
  if constexpr (cuda::kBuilt)
    if (student.is_cuda())
      return cuda::distillation_losses(on_cuda(student, teacher, targets, options, rows),
                                       cuda::stream_of(student));
  const int64_t v = student.size(1), stride = student.stride(0), teacher_stride = teacher.stride(0);
  const auto* target = targets.const_data_ptr<int64_t>();
  for_dtypes(student.scalar_type(), teacher.scalar_type(), [&]<class S, class T>(S, T) {
    auto* x = const_cast<S*>(student.const_data_ptr<S>());
    const auto* y = teacher.const_data_ptr<T>();
    const auto out = [](at::Tensor& tensor) { return tensor.mutable_data_ptr<Wide<S>>(); };
    auto *log_sum = out(rows.log_sums), *soft = out(rows.soft_log_sums),
         *of_teacher = out(rows.teacher_log_sums);
    auto *nll = out(rows.nll), *divergence = out(rows.divergence);
    const auto softness = static_cast<Wide<S>>(1 / options.temperature);
    for_divergence(options.divergence, [&]<class D>(D) {
      for_rows(student.size(0), v, [&](auto width, int64_t i) TONGUEFORGE_INLINED {
        Row<S, T> row = {x + i * stride, y + i * teacher_stride, v, target[i], softness, 0, 0, 0};
        log_sum[i] = row.log_sum = log_sum_exp<width()>(row.student, v);
        soft[i] = row.soft_log_sum =
            softness == 1 ? row.log_sum : log_sum_exp<width()>(row.student, v, softness);
        of_teacher[i] = row.teacher_log_sum = log_sum_exp<width()>(row.teacher, v, softness);
        const bool has_loss = target[i] >= 0;
        nll[i] = has_loss ? row.log_sum - static_cast<Wide<S>>(row.student[target[i]]) : 0;
        divergence[i] = has_loss ? divergence_of<D, width()>(row) : 0;
      });
    });
  });
}

void distillation_gradients_(at::Tensor& student, const at::Tensor& teacher, const at::Tensor& targets,
                             const DistillationOptions& options, const DistillationRows& rows) {
  if constexpr (cuda::kBuilt)
    if (student.is_cuda())
      return cuda::distillation_gradients(on_cuda(student, teacher, targets, options, rows),
                                          cuda::stream_of(student));
  const int64_t v = student.size(1), stride = student.stride(0), teacher_stride = teacher.stride(0);
  const auto* target = targets.const_data_ptr<int64_t>();
  for_dtypes(student.scalar_type(), teacher.scalar_type(), [&]<class S, class T>(S, T) {
    using W = Wide<S>;
    auto* x = student.mutable_data_ptr<S>();
    const auto* y = teacher.const_data_ptr<T>();
    const auto in = [](const at::Tensor& tensor) { return tensor.const_data_ptr<W>(); };
    const auto *log_sum = in(rows.log_sums), *soft_log_sum = in(rows.soft_log_sums);
    const auto *of_teacher = in(rows.teacher_log_sums), *divergence = in(rows.divergence);
    const auto softness = static_cast<W>(1 / options.temperature);
    const auto hard = static_cast<W>(1 - options.alpha);
    const auto soft = static_cast<W>(options.alpha * options.divergence_weight() / options.temperature);
    for_divergence(options.divergence, [&]<class D>(D) {
      for_rows(student.size(0), v, [&](auto width, int64_t i) TONGUEFORGE_INLINED {
        const Row<S, T> row = {x + i * stride,  y + i * teacher_stride, v, target[i], softness, log_sum[i],
                               soft_log_sum[i], of_teacher[i]};
        if (target[i] < 0) {
          std::memset(static_cast<void*>(row.student), 0, v * sizeof(S));
        } else {
          gradient_row<D, width()>(row, hard, soft, divergence[i]);
        }
      });
    });
  });
}

}  // namespace tongueforge::kernels

#include "live/grafted_model.h"

#include <atomic>
#include <cmath>

#include "core/error.h"
#include "kernels/aten.h"
#include "kernels/weight_memory.h"
#include "live/stretches.h"
#include "merge/complaint.h"
#include "merge/graft/graft_kernel.h"
#include "models/weights.h"

namespace tongueforge::live {
namespace {

using models::Parameter;

class Grafting {
 public:
  Grafting(const Deltas& deltas, const Scales& scales, int num_threads, Job& job)
      : deltas_(deltas), scales_(scales), num_threads_(num_threads), job_(job) {
    const auto& all = deltas.all();
    for (size_t i = 0; i < all.size(); i++) numbers_[all[i].name] = i;
    for (const auto& [name, scale] : scales) check_finite(name, scale);
  }

  GraftedModel run(const models::Decoder& target, std::optional<at::ScalarType> dtype) {
    GraftedModel result{std::make_shared<models::Decoder>(target)};  // whose tensors are the target's
    if (numbers_.contains(kHead)) result.model->untie_head();
    check(result.model->parameters());
    const int64_t total = result.model->bytes();
    int64_t done = 0;
    for (const auto& parameter : result.model->parameters()) {
      const at::Tensor before = *parameter.tensor;
      const at::Tensor after = grafted(parameter.name, before);
      const bool changed = !after.is_same(before);
      (changed ? result.tensors_changed : result.tensors_shared) += 1;
      if (changed) result.bytes_changed += static_cast<int64_t>(after.nbytes());
      *parameter.tensor = dtype ? after.to(*dtype) : after;
      if (parameter.linear && !parameter.tensor->is_same(before))
        parameter.linear->execution.reset();  // it holds the numbers of before
      done += static_cast<int64_t>(before.nbytes());
      job_.progress(Value::Map{{"done_bytes", done}, {"total_bytes", total}});
    }
    deltas_.check_unchanged();
    return result;
  }

 private:
  // Of a delta that no parameter takes a part would be lost in silence.
  void check(const std::vector<Parameter>& parameters) const {
    std::map<std::string, size_t> left = numbers_;
    for (const auto& parameter : parameters) {
      const auto found = left.find(parameter.name);
      if (found == left.end()) continue;
      check_parameter(parameter, deltas_.all()[found->second]);
      left.erase(found);
    }
    if (left.empty()) return;
    throw Error("ERR_UNEXPECTED_TENSOR",
                str("Expected a delta for this model, received one with ", left.begin()->first,
                    ", which the model lacks (", left.size(), " such)"),
                "Take a delta of models of the same architecture and size.",
                {{"tensor", left.begin()->first}});
  }

  static void check_parameter(const Parameter& parameter, const DeltaInfo& delta) {
    if (delta.shape != parameter.shape)
      throw Error("ERR_SHAPE_MISMATCH",
                  str("Expected a delta of shape ", merge::shape_text(parameter.shape), " for ",
                      parameter.name, ", received ", merge::shape_text(delta.shape)),
                  "Take a delta of models of the same size.", {{"tensor", parameter.name}});
    const DType dtype = models::dtype_of(parameter.tensor->scalar_type());
    if (!merge::graft_supports(dtype))
      throw Error("ERR_DTYPE",
                  str("Expected BF16, F16 or F32 for ", parameter.name, ", received ", dtype_name(dtype)),
                  "Load the model as float32, bfloat16 or float16.", {{"tensor", parameter.name}});
  }

  static void check_finite(const std::string& name, float scale) {
    if (!std::isfinite(scale))
      throw Error("ERR_USAGE", str("Expected a finite scale for ", name, ", received ", scale),
                  "1 adds the whole difference, 0 none of it.");
  }

  /// The tensor itself where no bit changes.
  at::Tensor grafted(const std::string& name, const at::Tensor& before) const {
    const auto number = numbers_.find(name);
    const auto given = scales_.find(name);
    const float scale = given == scales_.end() ? 1.0f : given->second;
    if (number == numbers_.end() || scale == 0.0f) return before;
    const at::Tensor target = before.to(at::kCPU).contiguous();
    at::Tensor out = kernels::empty_weight(target.sizes(), target.scalar_type());
    return add(number->second, target, scale, out) ? out.to(before.device()) : before;
  }

  /// Whether a bit has changed.
  bool add(size_t number, const at::Tensor& target, float scale, at::Tensor& out) const {
    const DType dtype = models::dtype_of(target.scalar_type());
    const int64_t width = target.element_size();
    const auto* from = static_cast<const char*>(target.const_data_ptr());
    auto* to = static_cast<char*>(out.mutable_data_ptr());
    std::atomic<bool> changed = false;
    for_each_stretch(target.numel(), num_threads_, job_, [&](int64_t first, int64_t count) {
      const auto room = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(count));
      const float* const delta = deltas_.read(number, first, count, room.get());
      merge::GraftSums sums;
      merge::add_span(dtype, from + first * width, delta, scale, to + first * width,
                      static_cast<size_t>(count), sums);
      if (sums.num_changed > 0) changed = true;
    });
    return changed;
  }

  const Deltas& deltas_;
  const Scales& scales_;
  const int num_threads_;
  Job& job_;
  std::map<std::string, size_t> numbers_;  // of the deltas, by name
};

}  // namespace

GraftedModel graft_model(const models::Decoder& target, const Deltas& deltas, const Scales& scales,
                         std::optional<at::ScalarType> dtype, int num_threads, Job& job) {
  const at::NoGradGuard no_grad;
  return Grafting(deltas, scales, num_threads, job).run(target, dtype);
}

}  // namespace tongueforge::live

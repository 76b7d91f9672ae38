#include "kernels/packed_plan.h"

#include <algorithm>

#include "kernels/aten.h"
#include "kernels/transfer.h"

namespace tongueforge::kernels {
namespace {

std::vector<PackedStretch> stretches_of(const at::Tensor& segments_BT) {
  const auto segments = segments_BT.contiguous();
  const auto* segment = segments.const_data_ptr<int64_t>();
  const int64_t time = segments.size(1), places = segments.numel();
  std::vector<PackedStretch> stretches;
  for (int64_t begin = 0, end = 0; begin < places; begin = end) {
    const int64_t row_end = (begin / time + 1) * time;
    while (end < row_end && segment[end] == segment[begin]) end++;
    stretches.push_back({begin, end - begin, segment[begin] < 0});
  }
  return stretches;
}

int64_t longest_of(const std::vector<PackedStretch>& stretches) {
  return stretches.empty() ? 0 : std::ranges::max(stretches, {}, &PackedStretch::length).length;
}

/// The offsets as the device gets them; the room that is left says where the rows end.
at::Tensor offsets_of(const std::vector<PackedStretch>& stretches, int64_t places, int64_t most) {
  auto offsets = at::full({most + 1}, places, at::kInt);
  auto* out = offsets.mutable_data_ptr<int32_t>();
  for (const auto& stretch : stretches) *out++ = static_cast<int32_t>(stretch.begin);
  return offsets;
}

// The cache of pinned memory keeps the copy until the stream has read it.
void upload(const at::Tensor& to, const at::Tensor& host) {
  to.copy_(to.is_cuda() ? host.pin_memory() : host, /*non_blocking=*/true);
}

void read_rows(PackedPlan& plan, const at::Tensor& segments_BT) {
  plan.batch = segments_BT.size(0), plan.time = segments_BT.size(1);
  plan.stretches = stretches_of(segments_BT);
  plan.documents = packed_documents(segments_BT);
}

}  // namespace

std::shared_ptr<const PackedPlan> packed_plan(const at::Tensor& segments_BT, at::Device device) {
  auto plan = std::make_shared<PackedPlan>();
  read_rows(*plan, segments_BT);
  plan->longest = longest_of(plan->stretches);
  plan->positions_BT = packed_positions(segments_BT);
  if (!device.is_cuda()) return plan;
  plan->positions_BT = to_device(plan->positions_BT, device);
  const auto count = static_cast<int64_t>(plan->stretches.size());
  plan->offsets = to_device(offsets_of(plan->stretches, segments_BT.numel(), count), device);
  if (plan->documents.size() < plan->stretches.size())
    plan->padding_BT = to_device(segments_BT.lt(0), device);
  return plan;
}

FixedPackedPlan::FixedPackedPlan(int64_t batch, int64_t time, int64_t most_stretches, at::Device device)
    : plan_(std::make_shared<PackedPlan>()) {
  plan_->is_fixed = true;
  plan_->longest = time;
  plan_->positions_BT = at::empty({batch, time}, at::TensorOptions(device).dtype(at::kLong));
  plan_->offsets = at::empty({most_stretches + 1}, at::TensorOptions(device).dtype(at::kInt));
  plan_->padding_BT = at::empty({batch, time}, at::TensorOptions(device).dtype(at::kBool));
}

bool FixedPackedPlan::fits(const at::Tensor& segments_BT) const {
  return segments_BT.sizes() == plan_->positions_BT.sizes() &&
         static_cast<int64_t>(stretches_of(segments_BT).size()) < plan_->offsets.size(0);
}

void FixedPackedPlan::fill(const at::Tensor& segments_BT) {
  TORCH_CHECK(fits(segments_BT), "expected rows that fit the plan, received more documents or other sizes");
  read_rows(*plan_, segments_BT);
  upload(plan_->positions_BT, packed_positions(segments_BT));
  upload(plan_->offsets, offsets_of(plan_->stretches, segments_BT.numel(), plan_->offsets.size(0) - 1));
  upload(plan_->padding_BT, segments_BT.lt(0));
}

}  // namespace tongueforge::kernels

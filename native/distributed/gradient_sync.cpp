#include "distributed/gradient_sync.h"

#include "kernels/aten.h"

namespace tongueforge::distributed {

GradientSync::GradientSync(std::shared_ptr<Group> group, const std::vector<at::Tensor>& like,
                           int64_t bucket_bytes)
    : group_(std::move(group)), buckets_(like, bucket_bytes, group_->size()) {
  begin();
}

void GradientSync::begin() {
  missing_.clear();
  sent_.clear();
  for (const auto& bucket : buckets_.all()) missing_.push_back(bucket.places.size());
}

void GradientSync::ready(size_t place) {
  missing_[buckets_.bucket_of(place)]--;
  send_complete();
}

void GradientSync::send_complete() {
  while (sent_.size() < missing_.size() && missing_[sent_.size()] == 0)
    sent_.push_back(group_->all_reduce(buckets_.all()[sent_.size()].flat));
}

void GradientSync::finish(const Job& job) {
  sent_early_ = sent_.size();
  missing_.assign(missing_.size(), 0);
  send_complete();
  for (const auto& pending : sent_) group_->wait(pending, job);
}

std::vector<Slice> GradientSync::own_slices() const {
  return all_slices()[static_cast<size_t>(group_->rank())];
}

std::vector<std::vector<Slice>> GradientSync::all_slices() const {
  std::vector<std::vector<Slice>> all;
  for (int rank = 0; rank < group_->size(); rank++) {
    auto& slices = all.emplace_back();
    for (size_t bucket = 0; bucket < buckets_.all().size(); bucket++)
      for (const auto& slice : buckets_.slices(bucket, rank)) slices.push_back(slice);
  }
  return all;
}

void GradientSync::exchange(const std::vector<at::Tensor>& tensors, const Job& job) {
  std::vector<Pending> pending;
  for (size_t i = 0; i < buckets_.all().size(); i++) {
    const auto& bucket = buckets_.all()[i];
    for (const auto& slice : buckets_.slices(i, group_->rank()))
      slice.of(buckets_.views()[slice.place]).copy_(slice.of(tensors[slice.place]));
    const auto pieces = bucket.flat.split(bucket.piece);
    pending.push_back(group_->all_gather(pieces, pieces[static_cast<size_t>(group_->rank())].clone()));
  }
  for (size_t i = 0; i < pending.size(); i++) {
    group_->wait(pending[i], job);
    for (int rank = 0; rank < group_->size(); rank++) {
      if (rank == group_->rank()) continue;
      for (const auto& slice : buckets_.slices(i, rank))
        slice.of(tensors[slice.place]).copy_(slice.of(buckets_.views()[slice.place]));
    }
  }
}

}  // namespace tongueforge::distributed

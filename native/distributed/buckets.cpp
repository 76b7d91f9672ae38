#include "distributed/buckets.h"

#include <algorithm>

#include "kernels/aten.h"

namespace tongueforge::distributed {
namespace {

constexpr int64_t kAligned = 16;  // elements: tensors and shares begin at multiples of 64 bytes

int64_t rounded_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

}  // namespace

at::Tensor Slice::of(const at::Tensor& tensor) const { return tensor.view({-1}).slice(0, begin, end); }

Buckets::Buckets(const std::vector<at::Tensor>& like, int64_t max_bytes, int processes)
    : views_(like.size()), bucket_of_(like.size()), begin_(like.size()) {
  std::vector<size_t> places;
  int64_t elements = 0;
  for (size_t place = like.size(); place-- > 0;) {
    const int64_t room = rounded_up(like[place].numel(), kAligned);
    if (!places.empty() && (elements + room) * static_cast<int64_t>(sizeof(float)) > max_bytes) {
      close(std::move(places), elements, processes, like);
      places = {};
      elements = 0;
    }
    begin_[place] = elements;
    places.push_back(place);
    elements += room;
  }
  if (!places.empty()) close(std::move(places), elements, processes, like);
}

void Buckets::close(std::vector<size_t> places, int64_t elements, int processes,
                    const std::vector<at::Tensor>& like) {
  const int64_t piece = rounded_up((elements + processes - 1) / processes, kAligned);
  const auto flat =
      at::zeros({piece * processes}, like[places[0]].options().dtype(at::kFloat).requires_grad(false));
  for (const size_t place : places) {
    const auto& tensor = like[place];
    views_[place] = flat.slice(0, begin_[place], begin_[place] + tensor.numel()).view(tensor.sizes());
    bucket_of_[place] = all_.size();
  }
  all_.push_back({flat, std::move(places), piece});
}

std::vector<Slice> Buckets::slices(size_t bucket, int rank) const {
  const auto& [flat, places, piece] = all_[bucket];
  const int64_t from = rank * piece, to = from + piece;
  std::vector<Slice> slices;
  for (const size_t place : places) {
    const int64_t begin = std::max(from, begin_[place]) - begin_[place];
    const int64_t end = std::min(to, begin_[place] + views_[place].numel()) - begin_[place];
    if (begin < end) slices.push_back({place, begin, end});
  }
  return slices;
}

int64_t Buckets::bytes() const {
  int64_t total = 0;
  for (const auto& bucket : all_) total += static_cast<int64_t>(bucket.flat.nbytes());
  return total;
}

}  // namespace tongueforge::distributed

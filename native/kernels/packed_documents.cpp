#include "kernels/packed_documents.h"

#include <algorithm>

#include "kernels/aten.h"

namespace tongueforge::kernels {

std::vector<PackedDocument> packed_documents(const at::Tensor& segments_BT) {
  const auto segments = segments_BT.contiguous();
  const int64_t time = segments.size(1);
  std::vector<PackedDocument> documents;
  for (int64_t row = 0; row < segments.size(0); row++) {
    const int64_t* of_row = segments.const_data_ptr<int64_t>() + row * time;
    for (int64_t begin = 0, end = 0; begin < time; begin = end) {
      while (end < time && of_row[end] == of_row[begin]) end++;
      if (of_row[begin] >= 0) documents.push_back({row, begin, end - begin});
    }
  }
  std::ranges::stable_sort(documents, std::greater(), &PackedDocument::length);
  return documents;
}

at::Tensor packed_positions(const at::Tensor& segments_BT) {
  const auto index = at::arange(segments_BT.size(1)).expand_as(segments_BT);
  auto starts = at::ones_like(segments_BT, at::kBool);
  if (segments_BT.size(1) > 1) {
    const auto changed = segments_BT.slice(1, 1).ne(segments_BT.slice(1, 0, -1));
    starts.slice(1, 1).copy_(changed);
  }
  const auto start_index = index.where(starts, at::zeros_like(index));
  return index - std::get<0>(start_index.cummax(1));
}

}  // namespace tongueforge::kernels

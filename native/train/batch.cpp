#include "train/batch.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/aten.h"
#include "kernels/transfer.h"

namespace tongueforge::train {
namespace {

at::Tensor as_rows(const std::vector<int32_t>& values, int64_t rows) {
  auto tensor = at::empty({rows, static_cast<int64_t>(values.size()) / rows}, at::kLong);
  std::copy(values.begin(), values.end(), tensor.data_ptr<int64_t>());
  return tensor;
}

void check_ids(const std::vector<int32_t>& ids, int32_t lowest_allowed, int64_t vocab_size,
               const char* what) {
  for (const int32_t id : ids)
    if (id != lowest_allowed && (id < 0 || id >= vocab_size))
      throw Error("ERR_DATA", str("Expected ", what, " from 0 to ", vocab_size - 1, ", received ", id),
                  "Does the tokenizer belong to this model?");
}

// A row's values as frames (T,C), or as samples (S).
at::Tensor sound_of(const std::vector<float>& values, int64_t frame_width) {
  if (frame_width > 0 && static_cast<int64_t>(values.size()) % frame_width != 0)
    throw Error("ERR_DATA",
                str("Expected frames of ", frame_width, " values, received ", values.size(), " values"));
  const auto sound = at::tensor(at::ArrayRef<float>(values), at::kFloat);
  return frame_width > 0 ? sound.view({-1, frame_width}) : sound;
}

}  // namespace

Batch make_sound_batch(const Sounds& sounds, const std::vector<int32_t>& labels,
                       const std::vector<int32_t>& segments, int64_t num_clusters) {
  const size_t size = labels.size();
  const auto rows = static_cast<int64_t>(sounds.values.size());
  const bool fits = segments.size() == size && (sounds.hidden.empty() || sounds.hidden.size() == size);
  if (size == 0 || size % sounds.values.size() != 0 || !fits)
    throw Error("ERR_DATA",
                str("Expected labels, segments and hidden places of ", rows, " equal rows, received ", size,
                    ", ", segments.size(), " and ", sounds.hidden.size(), " values"));
  check_ids(labels, -100, num_clusters, "clusters (or -100)");
  Batch batch = {{}, as_rows(labels, rows), as_rows(segments, rows)};
  for (const auto& values : sounds.values) batch.sounds.push_back(sound_of(values, sounds.frame_width));
  if (!sounds.hidden.empty()) batch.hidden_BT = as_rows(sounds.hidden, rows).ne(0);
  return batch;
}

Batch make_batch(const std::vector<int32_t>& ids, const std::vector<int32_t>& labels,
                 const std::vector<int32_t>& segments, int64_t rows, int64_t vocab_size) {
  const size_t size = ids.size();
  if (rows < 1 || size == 0 || size % static_cast<size_t>(rows) != 0 || labels.size() != size ||
      segments.size() != size)
    throw Error("ERR_DATA", str("Expected ids, labels and segments of ", rows, " equal rows, received ", size,
                                ", ", labels.size(), " and ", segments.size(), " values"));
  check_ids(ids, 0, vocab_size, "token ids");
  check_ids(labels, -100, vocab_size, "labels (or -100)");
  return {as_rows(ids, rows), as_rows(labels, rows), as_rows(segments, rows), {}};
}

Targets::Targets(const at::Tensor& labels)
    : places_M(labels.ne(-100).nonzero().squeeze(1)), tokens_M(labels.index_select(0, places_M)) {}

Targets::Targets(const Batch& batch) : Targets(of_places(batch)) {}

at::Tensor Targets::of_places(const Batch& batch) {
  return at::constant_pad_nd(batch.labels_BT.slice(1, 1), {0, 1}, -100).flatten();
}

Targets Targets::hidden(const Batch& batch) { return Targets(batch.labels_BT.flatten()); }

Targets Targets::on(at::Device device) const {
  return {kernels::to_device(places_M, device), kernels::to_device(tokens_M, device)};
}

}  // namespace tongueforge::train

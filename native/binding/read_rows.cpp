#include "binding/read_rows.h"

#include "kernels/aten.h"

namespace tongueforge::binding {

PackedRows::PackedRows(const Options& options)
    : labels(options.int32s("labels")),
      segments(options.int32s("segments")),
      reference(options.has("reference") ? options.numbers("reference") : std::vector<double>()),
      rows(options.integer("rows")) {
  if (!options.has("sounds")) {
    ids = options.int32s("ids");
    return;
  }
  sounds = options.float32_rows("sounds");
  frame_width = options.integer("frame_width");
  if (options.has("hidden")) hidden = options.int32s("hidden");
}

train::Batch PackedRows::batch(int64_t vocab_size) const {
  if (!sounds.empty())
    return train::make_sound_batch({sounds, frame_width, hidden}, labels, segments, vocab_size);
  auto made = train::make_batch(ids, labels, segments, rows, vocab_size);
  if (!reference.empty()) made.reference_S = at::tensor(reference, at::kDouble);
  return made;
}

std::vector<PackedRows> read_batches(const Options& options) {
  std::vector<PackedRows> all;
  for (const auto& batch : options.objects("batches")) all.emplace_back(batch);
  return all;
}

std::vector<train::Batch> to_batches(const std::vector<PackedRows>& packed, int64_t vocab_size) {
  std::vector<train::Batch> all;
  for (const auto& rows : packed) all.push_back(rows.batch(vocab_size));
  return all;
}

}  // namespace tongueforge::binding

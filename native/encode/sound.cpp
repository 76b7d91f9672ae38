#include "encode/sound.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "encode/finite.h"
#include "kernels/aten.h"

namespace tongueforge::encode {
namespace {

constexpr int64_t kBatchPlaces = 2048;  // padding included; the states of all layers are held at once

/// Sounds by their numbers, the longest first, and the rows that they make.
struct SoundBatch {
  std::vector<size_t> sounds;
  int64_t longest = 0;
};

std::vector<int64_t> places_of(const models::SpeechEncoder& model, const std::vector<Sound>& sounds) {
  std::vector<int64_t> all;
  for (size_t i = 0; i < sounds.size(); i++) {
    all.push_back(model.places(sounds[i].data.size(0)));
    if (all.back() == 0)
      throw Error("ERR_DATA",
                  str("Expected sound that is long enough for one place in row ", i, ", received ",
                      sounds[i].data.size(0), model.spec().frame_width > 0 ? " frames" : " samples"),
                  "Leave out sounds that are so short.", {{"row", str(i)}});
  }
  return all;
}

// Sounds of like lengths stand together, so that there is little padding.
std::vector<SoundBatch> make_batches(const std::vector<int64_t>& places) {
  std::vector<size_t> order(places.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return places[a] > places[b]; });
  std::vector<SoundBatch> all;
  for (const size_t sound : order) {
    const auto has_room = [&](const SoundBatch& batch) {
      return static_cast<int64_t>(batch.sounds.size() + 1) * batch.longest <= kBatchPlaces;
    };
    if (all.empty() || !has_room(all.back())) all.push_back({{}, places[sound]});
    all.back().sounds.push_back(sound);
  }
  return all;
}

models::Rows rows_of(const SoundBatch& batch, const std::vector<Sound>& sounds,
                     const std::vector<int64_t>& places) {
  const auto count = static_cast<int64_t>(batch.sounds.size());
  models::Rows rows = {{}, at::full({count, batch.longest}, -1, at::kLong)};
  for (int64_t row = 0; row < count; row++) {
    const size_t sound = batch.sounds[static_cast<size_t>(row)];
    const auto& [data, hidden_T] = sounds[sound];
    rows.segments_BT[row].narrow(0, 0, places[sound]).zero_();
    rows.sounds.push_back(data);
    if (!hidden_T.defined()) continue;
    if (!rows.hidden_BT.defined()) rows.hidden_BT = at::zeros({count, batch.longest}, at::kBool);
    rows.hidden_BT[row].narrow(0, 0, places[sound]).copy_(hidden_T);
  }
  return rows;
}

void check_hidden(const std::vector<Sound>& sounds, const std::vector<int64_t>& places) {
  for (size_t i = 0; i < sounds.size(); i++) {
    const auto& hidden_T = sounds[i].hidden_T;
    if (hidden_T.defined() && hidden_T.numel() != places[i])
      throw Error("ERR_DATA", str("Expected one mark for each of ", places[i], " places in row ", i,
                                  ", received ", hidden_T.numel()));
  }
}

}  // namespace

std::vector<at::Tensor> sound_states(const models::SpeechEncoder& model, const std::vector<Sound>& sounds,
                                     const std::vector<int64_t>& layers, Job& job) {
  const at::NoGradGuard no_grad;
  const auto places = places_of(model, sounds);
  check_hidden(sounds, places);
  std::vector<size_t> behind;
  for (const int64_t layer : layers)
    if (layer != kLast) behind.push_back(static_cast<size_t>(layer));
  std::vector<at::Tensor> all(sounds.size());
  int64_t done = 0;
  for (const auto& batch : make_batches(places)) {
    const auto states = model.hidden_states(rows_of(batch, sounds, places), behind, &job);
    std::vector<at::Tensor> asked;  // (B,T,D) for each of `layers`
    auto next = states.behind_BTD.begin();
    for (const int64_t layer : layers) asked.push_back(layer == kLast ? states.last_BTD : *next++);
    const auto states_BLTD = at::stack(asked, 1);
    for (size_t row = 0; row < batch.sounds.size(); row++) {
      const size_t sound = batch.sounds[row];
      const auto states_LTD = states_BLTD[static_cast<int64_t>(row)].narrow(1, 0, places[sound]);
      all[sound] = finite(states_LTD.unsqueeze(0), sound, "states").squeeze(0);
    }
    done += static_cast<int64_t>(batch.sounds.size());
    job.progress(Value::Map{{"done", done}, {"total", static_cast<int64_t>(sounds.size())}});
  }
  return all;
}

}  // namespace tongueforge::encode

#include "live/folder_deltas.h"

#include <utility>

#include "checkpoint/model_weights.h"
#include "merge/graft_kernel.h"

namespace tongueforge::live {
namespace {

using checkpoint::ModelWeights;
using checkpoint::Weight;

/// Bytes of a stretch of a tensor as they are stored.
std::vector<char> read_stretch(const Weight& weight, int64_t first, int64_t count) {
  const auto width = static_cast<uint64_t>(dtype_bits(weight.dtype()) / 8);
  std::vector<char> bytes(static_cast<size_t>(count) * width);
  weight.read_range(static_cast<uint64_t>(first) * width, bytes.size(), bytes.data());
  return bytes;
}

class FolderDeltas final : public Deltas {
 public:
  FolderDeltas(const ModelWeights& target, ModelWeights base, ModelWeights chat,
               const merge::GraftOptions& options)
      : base_(std::move(base)), chat_(std::move(chat)) {
    const auto plan = merge::plan_graft(target, base_, chat_, options);
    if (!plan.problems.empty()) throw plan.problems.front();
    for (const auto& file : plan.files)
      for (const auto& step : file.steps)
        if (!step.is_copy()) add(step);
  }

  const std::vector<DeltaInfo>& all() const override { return infos_; }

  const float* read(size_t index, int64_t first, int64_t count, float* room) const override {
    const auto& [base, chat] = pairs_[index];
    const auto base_bytes = read_stretch(base, first, count);
    const auto chat_bytes = read_stretch(chat, first, count);
    merge::subtract_span(base.dtype(), base_bytes.data(), chat.dtype(), chat_bytes.data(), room,
                         static_cast<size_t>(count));
    return room;
  }

  void check_unchanged() const override {
    base_.check_unchanged();
    chat_.check_unchanged();
  }

  int64_t bytes() const override { return 0; }

 private:
  void add(const merge::GraftStep& step) {
    infos_.push_back({step.target.name(), step.target.shape()});
    pairs_.emplace_back(step.base, step.chat);
  }

  ModelWeights base_, chat_;
  std::vector<DeltaInfo> infos_;
  std::vector<std::pair<Weight, Weight>> pairs_;  // base and chat; into the two above
};

}  // namespace

std::shared_ptr<Deltas> open_folder_deltas(const std::string& target, const std::string& base,
                                           const std::string& chat, const merge::GraftOptions& options) {
  return std::make_shared<FolderDeltas>(ModelWeights::open(target), ModelWeights::open(base),
                                        ModelWeights::open(chat), options);
}

}  // namespace tongueforge::live

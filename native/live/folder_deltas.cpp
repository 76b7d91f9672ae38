#include "live/folder_deltas.h"

#include "merge/graft/graft_kernel.h"

namespace tongueforge::live {
namespace {

class FolderDeltas final : public Deltas {
 public:
  explicit FolderDeltas(const merge::GraftInputs& inputs) : graft_(inputs), added_rows_(inputs.added_rows) {
    if (!graft_.problems().empty()) throw graft_.problems().front();
    for (const auto& difference : graft_.differences())
      infos_.push_back({difference.name, difference.base.shape()});
  }

  const std::vector<DeltaInfo>& all() const override { return infos_; }

  const float* read(size_t index, int64_t first, int64_t count, float* room) const override {
    const auto& [name, base, chat] = graft_.differences()[index];
    const auto base_bytes = read_stretch(base, first, count);
    const auto chat_bytes = read_stretch(chat, first, count);
    merge::subtract_span(base.dtype(), base_bytes.data(), chat.dtype(), chat_bytes.data(), room,
                         static_cast<size_t>(count));
    if (added_rows_ && has_token_rows(name)) clear_added(base.shape()[1], first, count, room);
    return room;
  }

  void check_unchanged() const override { graft_.check_unchanged(); }

  int64_t bytes() const override { return 0; }

 private:
  /// A stretch of a tensor as it is stored.
  static std::vector<char> read_stretch(const merge::Source& source, int64_t first, int64_t count) {
    std::vector<char> bytes(static_cast<size_t>(count) * static_cast<size_t>(dtype_width(source.dtype())));
    source.read_raw(static_cast<uint64_t>(first), static_cast<uint64_t>(count), bytes.data());
    return bytes;
  }

  /// What the target has got from the chat model is not added to it once more.
  void clear_added(int64_t row_length, int64_t first, int64_t count, float* values) const {
    for (int64_t i = 0; i < count; i++)
      if ((*added_rows_)[static_cast<size_t>((first + i) / row_length)]) values[i] = 0;
  }

  merge::Graft graft_;
  std::shared_ptr<const std::vector<bool>> added_rows_;
  std::vector<DeltaInfo> infos_;
};

}  // namespace

std::shared_ptr<Deltas> open_folder_deltas(const merge::GraftInputs& inputs) {
  return std::make_shared<FolderDeltas>(inputs);
}

}  // namespace tongueforge::live

#include "live/delta_set.h"

#include <cstring>

#include "live/stretches.h"

namespace tongueforge::live {
namespace {

class DeltaSet final : public Deltas {
 public:
  DeltaSet(const Deltas& source, int num_threads, Job& job) : infos_(source.all()) {
    for (const auto& info : infos_) num_values_ += info.num_elements();
    int64_t done = 0;
    for (size_t index = 0; index < infos_.size(); index++) {
      values_.push_back(load(source, index, num_threads, job));
      done += infos_[index].num_elements();
      job.progress(Value::Map{{"done_bytes", 4 * done}, {"total_bytes", bytes()}});
    }
    source.check_unchanged();
  }

  const std::vector<DeltaInfo>& all() const override { return infos_; }

  const float* read(size_t index, int64_t first, int64_t, float*) const override {
    return values_[index].get() + first;
  }

  int64_t bytes() const override { return 4 * num_values_; }

 private:
  std::unique_ptr<float[]> load(const Deltas& source, size_t index, int num_threads, Job& job) const {
    const int64_t size = infos_[index].num_elements();
    auto values = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(size));
    for_each_stretch(size, num_threads, job, [&](int64_t first, int64_t count) {
      float* const room = values.get() + first;
      const float* const read = source.read(index, first, count, room);
      if (read != room) std::memcpy(room, read, static_cast<size_t>(count) * sizeof(float));
    });
    return values;
  }

  std::vector<DeltaInfo> infos_;
  std::vector<std::unique_ptr<float[]>> values_;
  int64_t num_values_ = 0;
};

}  // namespace

std::shared_ptr<Deltas> load_deltas(const Deltas& source, int num_threads, Job& job) {
  return std::make_shared<DeltaSet>(source, num_threads, job);
}

}  // namespace tongueforge::live

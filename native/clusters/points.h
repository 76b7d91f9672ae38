// Frames that are gathered for k-means, end to end.
#pragma once
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "core/error.h"
#include "core/value.h"

namespace tongueforge::clusters {

class Points final : public Object {
 public:
  /// `expected`: how many will come, so that they are not moved as they come.
  Points(int64_t width, int64_t expected) : width_(width) {
    values_.reserve(static_cast<size_t>(width * expected));
  }

  int64_t width() const { return width_; }
  int64_t count() const { return static_cast<int64_t>(values_.size()) / width_; }
  std::span<const float> values() const { return values_; }

  /// frames (T, width). @throws ERR_NON_FINITE for a value that is no number
  void add(std::span<const float> frames) {
    for (size_t i = 0; i < frames.size(); i++) {
      if (std::isfinite(frames[i])) continue;
      throw Error("ERR_NON_FINITE",
                  str("expected numbers in the features of an utterance, received ", frames[i], " in frame ",
                      static_cast<int64_t>(i) / width_),
                  "Is the model sound? tongueforge inspect MODEL --scan");
    }
    values_.insert(values_.end(), frames.begin(), frames.end());
  }

  int64_t bytes() const override { return static_cast<int64_t>(values_.capacity() * sizeof(float)); }

 private:
  int64_t width_;
  std::vector<float> values_;
};

}  // namespace tongueforge::clusters

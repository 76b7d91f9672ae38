// What is added to the weights of a model in memory: float32 differences by the names of its parameters.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/value.h"

namespace tongueforge::live {

/// The difference of one parameter.
struct DeltaInfo {
  std::string name;
  std::vector<int64_t> shape;

  int64_t num_elements() const {
    int64_t product = 1;
    for (const int64_t length : shape) product *= length;
    return product;
  }
};

/// Read by several threads at once.
class Deltas : public Object {
 public:
  /// Each name once. A parameter without a delta stays as it is.
  virtual const std::vector<DeltaInfo>& all() const = 0;

  /// Values first .. first + count - 1 of the delta number `index`: where they already lie, or in `room`,
  /// which holds `count` values.
  virtual const float* read(size_t index, int64_t first, int64_t count, float* room) const = 0;

  /// @throws ERR_INPUT_CHANGED if a file behind it was written to since it was opened
  virtual void check_unchanged() const {}
};

inline constexpr const char* kEmbedding = "model.embed_tokens.weight";
inline constexpr const char* kHead = "lm_head.weight";

/// Whether a parameter has a row for each token.
inline bool has_token_rows(const std::string& name) { return name == kEmbedding || name == kHead; }

/// Values that are read at a time; a multiple of merge::kGraftBlock.
inline constexpr int64_t kDeltaChunk = 1 << 16;

}  // namespace tongueforge::live

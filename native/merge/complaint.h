// One kind of mismatch between models, with the tensors that have it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"

namespace tongueforge::merge {

inline std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += str(i ? ", " : "", shape[i]);
  return text + "]";
}

struct Complaint {
  std::string code, expected, hint;
  std::vector<std::string> rows = {};

  /// Names up to 20 of them.
  Error to_error() const {
    constexpr size_t kMaxNamed = 20;
    std::string list;
    for (size_t i = 0; i < std::min(rows.size(), kMaxNamed); ++i) list += "\n  " + rows[i];
    if (rows.size() > kMaxNamed) list += str("\n  and ", rows.size() - kMaxNamed, " more");
    return Error(code, str(expected, " (", rows.size(), "):", list), hint,
                 {{"count", std::to_string(rows.size())}, {"tensors", list.substr(1)}});
  }
};

}  // namespace tongueforge::merge

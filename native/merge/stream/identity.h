// What decides the bytes of a merge, in words: for the journal, which another merge must not follow.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/model_weights.h"

namespace tongueforge::merge {

/// Path, size and time of change.
std::string identity_of(const checkpoint::SafetensorsFile& file);

/// The kind of work, our version, and every weight file of the models.
std::string identity_of(const std::string& work,
                        std::initializer_list<const checkpoint::ModelWeights*> models);

/// Of every weight file.
std::string identity_of(const checkpoint::ModelWeights& model);

/// Of a table, which may be null.
template <class Row>
uint64_t identity_of(const std::shared_ptr<const std::vector<Row>>& rows) {
  uint64_t value = 14695981039346656037u;  // FNV-1a
  if (!rows) return 0;
  for (const auto row : *rows) value = (value ^ static_cast<uint32_t>(row)) * 1099511628211u;
  return value;
}

}  // namespace tongueforge::merge

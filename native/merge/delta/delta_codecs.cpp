#include <charconv>

#include "checkpoint/json_text.h"
#include "merge/delta/delta_codec.h"
#include "merge/delta/delta_dense.h"
#include "merge/delta/delta_low_rank.h"
#include "merge/delta/delta_quantised.h"
#include "merge/delta/delta_top_k.h"

namespace tongueforge::merge {

const std::vector<DeltaCodec>& delta_codecs() {
  static const std::vector<DeltaCodec> all = {
      {"dense", {""}, encode_dense, nullptr, shape_of_dense, decode_dense},
      {"topk",
       {"columns", "row_starts", "shape", "values"},
       encode_top_k,
       nullptr,
       shape_of_top_k,
       decode_top_k},
      {"lowrank", {"left", "right"}, encode_low_rank, settle_low_rank, shape_of_low_rank, decode_low_rank},
      {"int8", {"int8", "scales"}, encode_int8, nullptr, shape_of_int8, decode_int8},
      {"int4", {"int4", "scales", "shape"}, encode_int4, nullptr, shape_of_int4, decode_int4},
  };
  return all;
}

const DeltaCodec& delta_codec(std::string_view name) {
  std::string known;
  for (const DeltaCodec& codec : delta_codecs()) {
    if (codec.name == name) return codec;
    known += (known.empty() ? "" : ", ") + std::string(codec.name);
  }
  throw Error("ERR_USAGE", str("Expected a format of a delta: ", known, "; received ", name),
              "dense is exact, topk and lowrank are small.");
}

uint64_t count_elements(const std::vector<int64_t>& shape) {
  uint64_t bytes = 0;
  if (const char* reason = checkpoint::size_of_tensor(DType::F32, shape, bytes))
    throw Error("ERR_INTERNAL", str("A tensor that cannot be: ", reason));
  return bytes / 4;
}

uint64_t DeltaInput::num_elements() const { return count_elements(shape); }

uint64_t DeltaPart::num_bytes() const {
  return count_elements(shape) * static_cast<uint64_t>(dtype_bits(dtype)) / 8;
}

const checkpoint::TensorInfo& StoredDelta::at(std::string_view suffix) const {
  for (const auto& [name, info] : parts)
    if (name == suffix) return *info;
  throw Error("ERR_INTERNAL", str("No part '", suffix, "' of ", name));
}

std::vector<int64_t> StoredDelta::read_integers(std::string_view suffix) const {
  const checkpoint::TensorInfo& info = at(suffix);
  if (info.dtype != DType::I64 || info.shape.size() != 1)
    refuse(str("expected '", suffix, "' to be I64 with one dimension, received ", dtype_name(info.dtype)));
  std::vector<int64_t> values(info.num_elements());
  file->read(info, values.data());
  return values;
}

uint64_t StoredDelta::setting(std::string_view key) const {
  for (const auto& [name, value] : file->metadata()) {
    if (name != key) continue;
    uint64_t number = 0;
    const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (failed == std::errc() && end == value.data() + value.size() && number > 0) return number;
  }
  refuse(str("expected a whole number '", key, "' above zero in the file's metadata"));
}

void StoredDelta::refuse(const std::string& problem) const {
  throw Error("ERR_DELTA", str(file->path(), ": ", checkpoint::printable(name), ": ", problem),
              "The file is damaged or was not written by `delta extract`: extract it again.",
              {{"file", file->path()}, {"tensor", checkpoint::printable(name)}});
}

}  // namespace tongueforge::merge

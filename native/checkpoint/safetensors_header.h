// The header of a safetensors file: its types, and the parser that believes nothing.
//
// Beyond the reference reader (0.8.0), these are refused: a name twice (also spelled by escapes), a metadata
// key twice, unknown fields of an entry, an entry written as an array, non-zero dimensions whose product
// overflows (also where another is zero), more than 64 dimensions, and names that are empty, hold control
// characters or climb out of a folder. As the reference does, white space before the '{' and a null
// __metadata__ are accepted.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/dtype.h"

namespace tongueforge::checkpoint {

/// The format's own limit on the text of a header.
inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;
/// More dimensions than any real tensor; a header of 100,000 ones is an attack on the reader's memory.
inline constexpr size_t kMaxRank = 64;

using Metadata = std::vector<std::pair<std::string, std::string>>;

/// One tensor of a file: bytes [begin, end) of the data part.
struct TensorInfo {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;

  uint64_t num_bytes() const { return end - begin; }
  uint64_t num_elements() const { return num_bytes() * 8 / static_cast<uint64_t>(dtype_bits(dtype)); }
};

struct Header {
  std::vector<TensorInfo> tensors;
  Metadata metadata;
};

/// Checks the text of a header and that its tensors cover [0, data_bytes) without hole or overlap.
/// @param file named in errors
/// @param text the JSON of the header, which stands at byte 8 of the file: offsets in errors count from the
/// file's start
/// @throws ERR_SAFETENSORS {file, offset, reason, tensor?}
Header parse_header(std::string_view text, uint64_t data_bytes, const std::string& file);

/// Why a tensor may not have this name ("empty_name", "control_character_in_name", "path_in_name"), or
/// nullptr.
const char* refusal_of_name(std::string_view name);

/// Bytes of a tensor. @return a reason ("rank_too_high", "dimension_too_large", "shape_overflow",
/// "sub_byte_size") or nullptr
const char* size_of_tensor(DType dtype, const std::vector<int64_t>& shape, uint64_t& num_bytes);

}  // namespace tongueforge::checkpoint

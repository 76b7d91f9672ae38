#include "checkpoint/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <set>

#include "checkpoint/json_text.h"
#include "checkpoint/strict_json.h"
#include "core/error.h"

namespace tongueforge::checkpoint {
namespace {

constexpr uint64_t kTextBegin = 8;
constexpr uint64_t kMaxDimension = std::numeric_limits<int64_t>::max();
constexpr const char* kHint =
    "The file is damaged or was not made by a safetensors writer: copy or convert it again.";

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += str(i ? "," : "", shape[i]);
  return text + "]";
}

/// Reads the text into tensors; what they claim of each other is checked by LayoutCheck.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& file)
      : json_(text, {"ERR_SAFETENSORS", file, kTextBegin, kHint}) {}

  Header parse() {
    if (json_.peek() != JsonKind::Object)
      json_.refuse("root_not_object", "expected the header to be an object");
    std::string key;
    json_.begin_object();
    while (json_.next_key(key)) {
      if (key == "__metadata__") {
        parse_metadata();
      } else {
        parse_entry(std::move(key));
      }
    }
    json_.expect_end();
    return std::move(header_);
  }

  /// Where each tensor's name stands in the file.
  std::vector<uint64_t> name_offsets() { return std::move(name_offsets_); }

 private:
  void parse_metadata() {
    if (has_metadata_) json_.refuse("duplicate_metadata", "expected __metadata__ once, received it twice");
    has_metadata_ = true;
    const JsonKind kind = json_.peek();
    if (kind == JsonKind::Null) return json_.skip_value();  // as the reference reader: the same as none
    if (kind != JsonKind::Object) refuse_metadata();
    std::set<std::string> seen;
    std::string key;
    json_.begin_object();
    while (json_.next_key(key)) {
      if (!seen.insert(key).second) {
        json_.refuse("duplicate_metadata_key", str("expected \"", printable(key), "\" once in __metadata__"));
      }
      if (json_.peek() != JsonKind::String) refuse_metadata();
      header_.metadata.emplace_back(key, json_.read_string());
    }
  }

  [[noreturn]] void refuse_metadata() {
    json_.refuse("metadata_not_string_map", "expected __metadata__ to map strings to strings");
  }

  void parse_entry(std::string name) {
    const uint64_t name_offset = json_.offset();
    json_.set_tensor(name);
    if (const char* reason = refusal_of_name(name)) {
      json_.refuse(reason, str("expected the name of a tensor, received \"", printable(name), "\""));
    }
    if (json_.peek() != JsonKind::Object) {
      json_.refuse("entry_not_object", "expected an object of dtype, shape and data_offsets");
    }
    TensorInfo tensor = parse_fields();
    tensor.name = std::move(name);
    check_size(tensor, name_offset);
    header_.tensors.push_back(std::move(tensor));
    name_offsets_.push_back(name_offset);
    json_.set_tensor({});
  }

  TensorInfo parse_fields() {
    enum : unsigned { kDtype = 1, kShape = 2, kOffsets = 4, kAll = 7 };
    const uint64_t begin = json_.offset();
    TensorInfo tensor;
    unsigned seen = 0;
    std::string key;
    json_.begin_object();
    while (json_.next_key(key)) {
      const unsigned field = key == "dtype"          ? kDtype
                             : key == "shape"        ? kShape
                             : key == "data_offsets" ? kOffsets
                                                     : 0u;
      if (field == 0)
        json_.refuse("unknown_field",
                     str("expected dtype, shape and data_offsets, received \"", printable(key), "\""));
      if (seen & field)
        json_.refuse("duplicate_field", str("expected \"", key, "\" once, received it twice"));
      seen |= field;
      if (field == kDtype) tensor.dtype = parse_dtype();
      if (field == kShape) tensor.shape = parse_shape();
      if (field == kOffsets) parse_offsets(tensor);
    }
    if (seen != kAll)
      json_.refuse_at(begin, "missing_field", "expected dtype, shape and data_offsets, not all are there");
    return tensor;
  }

  DType parse_dtype() {
    if (json_.peek() != JsonKind::String)
      json_.refuse("dtype_not_string", "expected dtype to be a string such as \"BF16\"");
    const std::string name = json_.read_string();
    const std::optional<DType> dtype = dtype_from_name(name);
    if (!dtype)
      json_.refuse("unknown_dtype", str("expected a dtype such as BF16, received \"", printable(name), "\""));
    return *dtype;
  }

  std::vector<int64_t> parse_shape() {
    if (json_.peek() != JsonKind::Array)
      json_.refuse("shape_not_array", "expected shape to be an array of integers");
    std::vector<int64_t> shape;
    json_.begin_array();
    while (json_.next_item()) {
      const uint64_t dimension = json_.read_u64();
      if (dimension > kMaxDimension) {
        json_.refuse("dimension_too_large",
                     str("expected a dimension of at most 2^63-1, received ", dimension));
      }
      if (shape.size() == kMaxRank)
        json_.refuse("rank_too_high", str("expected at most ", kMaxRank, " dimensions"));
      shape.push_back(static_cast<int64_t>(dimension));
    }
    return shape;
  }

  void parse_offsets(TensorInfo& tensor) {
    if (json_.peek() != JsonKind::Array)
      json_.refuse("offsets_not_array", "expected data_offsets to be [begin, end]");
    const uint64_t at = json_.offset();
    uint64_t values[2] = {0, 0};
    size_t count = 0;
    json_.begin_array();
    while (json_.next_item()) {
      const uint64_t value = json_.read_u64();
      if (count == 2) json_.refuse("offsets_count", "expected two data_offsets, received more");
      values[count++] = value;
    }
    if (count != 2) json_.refuse_at(at, "offsets_count", str("expected two data_offsets, received ", count));
    if (values[0] > values[1]) {
      json_.refuse_at(at, "offsets_reversed",
                      str("expected begin <= end, received [", values[0], ",", values[1], "]"));
    }
    tensor.begin = values[0], tensor.end = values[1];
  }

  void check_size(const TensorInfo& tensor, uint64_t offset) {
    uint64_t num_bytes = 0;
    const std::string what = str(dtype_name(tensor.dtype), " ", shape_text(tensor.shape));
    if (const char* reason = size_of_tensor(tensor.dtype, tensor.shape, num_bytes)) {
      json_.refuse_at(offset, reason, str("expected a size in whole bytes below 2^63, received ", what));
    }
    if (num_bytes != tensor.end - tensor.begin) {
      json_.refuse_at(offset, "size_mismatch",
                      str("expected ", num_bytes, " bytes for ", what, ", received data_offsets [",
                          tensor.begin, ",", tensor.end, "]"));
    }
  }

  JsonReader json_;
  Header header_;
  std::vector<uint64_t> name_offsets_;
  bool has_metadata_ = false;
};

/// What must hold between tensors: each name once, and data without hole or overlap up to the last byte.
class LayoutCheck {
 public:
  LayoutCheck(const Header& header, const std::vector<uint64_t>& name_offsets, uint64_t data_begin,
              uint64_t data_bytes, const std::string& file)
      : tensors_(header.tensors),
        name_offsets_(name_offsets),
        data_begin_(data_begin),
        data_bytes_(data_bytes),
        file_(file),
        order_(header.tensors.size()) {
    std::iota(order_.begin(), order_.end(), 0u);
  }

  void names() {
    std::sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
      const int sign = tensors_[a].name.compare(tensors_[b].name);
      return sign < 0 || (sign == 0 && a < b);
    });
    for (size_t i = 1; i < order_.size(); ++i) {
      if (tensors_[order_[i]].name == tensors_[order_[i - 1]].name) {
        refuse(order_[i], "duplicate_name", "expected every name once, received it twice");
      }
    }
  }

  void data() {
    std::sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
      const TensorInfo &s = tensors_[a], &t = tensors_[b];
      return s.begin != t.begin ? s.begin < t.begin : s.end != t.end ? s.end < t.end : a < b;
    });
    uint64_t covered = 0;
    for (const uint32_t i : order_) {
      const TensorInfo& tensor = tensors_[i];
      if (tensor.end > data_bytes_) {
        refuse(i, "past_end_of_file",
               str("expected data within ", data_bytes_, " bytes, received an end of ", tensor.end));
      }
      if (tensor.begin < covered)
        refuse(i, "overlap", str("expected data to begin at ", covered, ", received ", tensor.begin));
      if (tensor.begin > covered)
        refuse(i, "hole", str("expected data to begin at ", covered, ", received ", tensor.begin));
      covered = tensor.end;
    }
    if (covered < data_bytes_) {
      refuse_file("ERR_SAFETENSORS", file_, data_begin_ + covered, "trailing_bytes",
                  str("expected the end of the file, received ", data_bytes_ - covered, " more bytes"),
                  kHint);
    }
  }

 private:
  [[noreturn]] void refuse(uint32_t i, const char* reason, const std::string& message) const {
    refuse_file("ERR_SAFETENSORS", file_, name_offsets_[i], reason, message, kHint, tensors_[i].name);
  }

  const std::vector<TensorInfo>& tensors_;
  const std::vector<uint64_t>& name_offsets_;
  uint64_t data_begin_, data_bytes_;
  const std::string& file_;
  std::vector<uint32_t> order_;
};

/// A name may become a file's name in somebody's hands: no climbing, no root, no drive.
bool looks_like_escape(std::string_view name) {
  if (name.front() == '/' || name.front() == '\\') return true;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find_first_of("/\\", begin), name.size());
    if (name.substr(begin, end - begin) == "..") return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace

Header parse_header(std::string_view text, uint64_t data_bytes, const std::string& file) {
  HeaderParser parser(text, file);
  Header header = parser.parse();
  const std::vector<uint64_t> name_offsets = parser.name_offsets();
  LayoutCheck check(header, name_offsets, kTextBegin + text.size(), data_bytes, file);
  check.names();
  check.data();
  return header;
}

const char* refusal_of_name(std::string_view name) {
  if (name.empty()) return "empty_name";
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(name.begin(), name.end(), is_control)) return "control_character_in_name";
  if (looks_like_escape(name)) return "path_in_name";
  return nullptr;
}

const char* size_of_tensor(DType dtype, const std::vector<int64_t>& shape, uint64_t& num_bytes) {
  if (shape.size() > kMaxRank) return "rank_too_high";
  uint64_t bits = static_cast<uint64_t>(dtype_bits(dtype));
  bool empty = false;
  for (const int64_t dimension : shape) {
    if (dimension < 0) return "dimension_too_large";
    // A zero empties the tensor but excuses nothing: the verdict must not depend on where it stands.
    if (dimension == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(bits, static_cast<uint64_t>(dimension), &bits)) {
      return "shape_overflow";
    }
  }
  if (!empty && bits % 8 != 0) return "sub_byte_size";
  num_bytes = empty ? 0 : bits / 8;
  return nullptr;
}

}  // namespace tongueforge::checkpoint

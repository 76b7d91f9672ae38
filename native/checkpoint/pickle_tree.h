// What a pickle of torch holds once it is read: plain containers, and descriptions of tensors whose data lies
// elsewhere. Everything stands in a few lists and is named by its place there: containers may share parts or
// hold themselves, and nothing is ever freed by recursion.
#pragma once
#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/dtype.h"

namespace tongueforge::checkpoint {

struct AllowedGlobal;

/// Bounds of a tree: those of a file with 50,000 tensors, ten times a large one.
inline constexpr size_t kMaxPickleObjects = 500'000, kMaxPickleTensors = 200'000, kMaxCopiedItems = 1'000'000;

enum class PickleKind : uint8_t {
  none,
  boolean,
  integer,
  real,
  text,
  bytes,  // their content is not kept
  list,   // these four are sequences
  tuple,
  set,
  dict,    // key, value, key, value...
  object,  // a dict that was an object's: argparse.Namespace
  tensor,
  storage,
  dtype,
  global,    // something on the list, not called yet
  left_out,  // made by something on the list that is of no use here
};

/// A value: a number, or its place in a list of the tree.
struct PickleValue {
  PickleKind kind = PickleKind::none;
  int64_t bits = 0;

  size_t index() const { return static_cast<size_t>(bits); }
  bool is(PickleKind wanted) const { return kind == wanted; }
  bool is_dict() const { return is(PickleKind::dict) || is(PickleKind::object); }
  bool is_sequence() const { return kind >= PickleKind::list && kind <= PickleKind::object; }
  double real() const { return std::bit_cast<double>(bits); }
};

/// The elements behind tensors: `data/KEY` of the archive.
struct PickleStorage {
  std::string_view key;
  std::optional<DType> dtype;  // without one: bytes
  uint64_t count = 0;          // of elements, or of bytes

  uint64_t num_bytes() const { return dtype ? count * static_cast<uint64_t>(dtype_width(*dtype)) : count; }
};

/// A view of a storage, checked to lie within it. Offset and strides count elements.
struct PickleTensor {
  uint32_t storage = 0;
  DType dtype = DType::F32;
  uint64_t offset = 0;
  std::vector<int64_t> shape, strides;

  uint64_t num_elements() const;
  uint64_t num_bytes() const { return num_elements() * static_cast<uint64_t>(dtype_width(dtype)); }
  /// Whether the elements lie one after the other, in C order.
  bool is_contiguous() const;
  bool operator==(const PickleTensor&) const = default;
};

struct PickleTree {
  PickleTree() = default;
  PickleTree(PickleTree&&) = default;  // texts stay where they are; a copy would point into the original
  PickleTree& operator=(PickleTree&&) = default;

  PickleValue root;
  std::vector<char> bytes;              // the pickle itself: texts point into it
  std::vector<std::string_view> texts;  // UTF-8; also the names of what was left out
  std::vector<std::vector<PickleValue>> sequences;
  std::vector<const AllowedGlobal*> globals;
  std::vector<PickleStorage> storages;  // each key once
  std::vector<PickleTensor> tensors;
  std::unordered_map<std::string_view, uint32_t> storage_by_key;

  std::string_view text(PickleValue value) const { return texts[value.index()]; }
  const std::vector<PickleValue>& items(PickleValue value) const { return sequences[value.index()]; }
  std::vector<PickleValue>& items(PickleValue value) { return sequences[value.index()]; }

  /// The value of a text key of a dict, or nullptr.
  const PickleValue* find(PickleValue dict, std::string_view key) const;

  // Each of these throws PickleFault where a small file would make a large tree.
  PickleValue add_text(PickleKind kind, std::string_view text);
  PickleValue add_sequence(PickleKind kind, std::vector<PickleValue> items = {});
  PickleValue add_tensor(PickleTensor tensor);
  /// To be told before that many values are copied from one container into another.
  void will_copy(size_t items);

 private:
  void will_add_object() const;
  size_t copied_ = 0;
};

}  // namespace tongueforge::checkpoint

#include "checkpoint/pickle_tree.h"

#include <utility>

#include "checkpoint/pickle_refusal.h"

namespace tongueforge::checkpoint {

uint64_t PickleTensor::num_elements() const {
  uint64_t elements = 1;
  for (const int64_t size : shape) elements *= static_cast<uint64_t>(size);
  return elements;
}

bool PickleTensor::is_contiguous() const {
  if (num_elements() == 0) return true;
  int64_t expected = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1 && strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

const PickleValue* PickleTree::find(PickleValue dict, std::string_view key) const {
  if (!dict.is_dict()) return nullptr;
  const auto& pairs = items(dict);
  for (size_t i = 0; i < pairs.size(); i += 2)
    if (pairs[i].is(PickleKind::text) && text(pairs[i]) == key) return &pairs[i + 1];
  return nullptr;
}

void PickleTree::will_add_object() const {
  if (texts.size() + sequences.size() < kMaxPickleObjects) return;
  throw PickleFault{"too_many_objects", str("expected at most ", kMaxPickleObjects, " texts and containers")};
}

void PickleTree::will_copy(size_t items) {
  copied_ += items;
  if (copied_ > kMaxCopiedItems)
    throw PickleFault{"too_many_items", str("expected at most ", kMaxCopiedItems, " values copied")};
}

PickleValue PickleTree::add_text(PickleKind kind, std::string_view text) {
  will_add_object();
  texts.push_back(text);
  return {kind, static_cast<int64_t>(texts.size() - 1)};
}

PickleValue PickleTree::add_sequence(PickleKind kind, std::vector<PickleValue> items) {
  will_add_object();
  sequences.push_back(std::move(items));
  return {kind, static_cast<int64_t>(sequences.size() - 1)};
}

PickleValue PickleTree::add_tensor(PickleTensor tensor) {
  if (tensors.size() == kMaxPickleTensors)
    throw PickleFault{"too_many_tensors", str("expected at most ", kMaxPickleTensors, " tensors")};
  tensors.push_back(std::move(tensor));
  return {PickleKind::tensor, static_cast<int64_t>(tensors.size() - 1)};
}

}  // namespace tongueforge::checkpoint

#include "checkpoint/pickle_objects.h"

#include <algorithm>
#include <string>
#include <utility>

#include "checkpoint/json_text.h"
#include "checkpoint/pickle_refusal.h"
#include "checkpoint/safetensors_header.h"
#include "core/error.h"

namespace tongueforge::checkpoint {
namespace {

/// A view may be larger than its storage (strides of 0), but not so large that a small file makes a huge one.
constexpr uint64_t kMaxExpandedElements = 1 << 20;
constexpr size_t kMaxArguments = 16;

[[noreturn]] void refuse_call(const AllowedGlobal& global, const std::string& expected) {
  const std::string name = str(global.module, ".", global.name);
  throw PickleFault{"call", str("expected ", name, " to be called with ", expected), kDamagedHint, name};
}

const std::vector<PickleValue>& tuple_items(const PickleTree& tree, PickleValue value) {
  if (!value.is(PickleKind::tuple)) throw PickleFault{"not_a_tuple", "expected a tuple"};
  return tree.items(value);
}

uint64_t count_of(PickleValue value, const char* what) {
  if (value.is(PickleKind::integer) && value.bits >= 0) return static_cast<uint64_t>(value.bits);
  throw PickleFault{"not_a_count", str("expected ", what, " of at least 0")};
}

std::vector<int64_t> counts_of(const PickleTree& tree, PickleValue value, const char* what) {
  const auto& items = tuple_items(tree, value);
  if (items.size() > kMaxRank)
    throw PickleFault{"rank_too_high", str("expected at most ", kMaxRank, " dimensions")};
  std::vector<int64_t> counts;
  for (const PickleValue item : items) counts.push_back(static_cast<int64_t>(count_of(item, what)));
  return counts;
}

/// Elements from the tensor's first to its last, both included. @throws PickleFault where 64 bits do not hold
/// them
uint64_t checked_span(const PickleTensor& tensor) {
  uint64_t span = 1;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    uint64_t steps = 0;
    if (__builtin_mul_overflow(static_cast<uint64_t>(tensor.shape[i] - 1),
                               static_cast<uint64_t>(tensor.strides[i]), &steps) ||
        __builtin_add_overflow(span, steps, &span))
      throw PickleFault{"out_of_storage", "expected strides that stay within the storage"};
  }
  return span;
}

void check_tensor(const PickleTree& tree, const PickleTensor& tensor) {
  uint64_t bytes = 0;
  if (tensor.shape.size() != tensor.strides.size())
    throw PickleFault{"strides", "expected a stride for each dimension of a tensor"};
  if (const char* reason = size_of_tensor(tensor.dtype, tensor.shape, bytes))
    throw PickleFault{reason, "expected the shape of a tensor"};
  const PickleStorage& storage = tree.storages[tensor.storage];
  const uint64_t width = static_cast<uint64_t>(dtype_width(tensor.dtype)), elements = bytes / width;
  const uint64_t held = storage.num_bytes() / width;
  const bool empty = elements == 0;
  if (tensor.offset > held || (!empty && checked_span(tensor) > held - tensor.offset))
    throw PickleFault{"out_of_storage", str("expected a tensor within the ", held, " elements of storage ",
                                            printable(storage.key))};
  if (elements > std::max(held, kMaxExpandedElements))
    throw PickleFault{
        "expanded",
        str("expected a tensor no larger than its storage, received ", elements, " elements out of ", held),
        "Save tensor.contiguous() instead of a view that repeats its elements."};
}

/// (storage, offset, size, strides, ...): both forms begin so.
PickleValue make_tensor(PickleTree& tree, const AllowedGlobal& global, const std::vector<PickleValue>& args,
                        DType dtype, size_t metadata) {
  if (args.size() > metadata && args[metadata].is_dict() && !tree.items(args[metadata]).empty())
    refuse_call(global, "a plain tensor: conjugated and negated views are not converted");
  PickleTensor tensor;
  tensor.storage = static_cast<uint32_t>(args[0].index());
  tensor.dtype = dtype;
  tensor.offset = count_of(args[1], "an offset");
  tensor.shape = counts_of(tree, args[2], "a size");
  tensor.strides = counts_of(tree, args[3], "a stride");
  check_tensor(tree, tensor);
  return tree.add_tensor(std::move(tensor));
}

PickleValue rebuild(PickleTree& tree, const AllowedGlobal& global, const std::vector<PickleValue>& args) {
  const bool typed = global.role == GlobalRole::rebuild_typed_tensor;
  if (args.size() < (typed ? 7u : 4u) || args.size() > 8 || !args[0].is(PickleKind::storage))
    refuse_call(global, "a storage, an offset, a size and strides");
  if (!typed) {
    const auto dtype = tree.storages[args[0].index()].dtype;
    if (!dtype) refuse_call(global, "a storage that has a dtype");
    return make_tensor(tree, global, args, *dtype, 6);
  }
  if (!args[6].is(PickleKind::dtype)) refuse_call(global, "a dtype");
  return make_tensor(tree, global, args, static_cast<DType>(args[6].bits), 7);
}

std::vector<PickleValue> arguments_of(const PickleTree& tree, PickleValue tuple) {
  const auto& items = tuple_items(tree, tuple);
  if (items.size() > kMaxArguments) throw PickleFault{"arguments", "expected a call with a few arguments"};
  return items;
}

/// (function, class, args, state): a tensor with attributes of its own. They are left out.
PickleValue rebuild_from_type(PickleTree& tree, const AllowedGlobal& global,
                              const std::vector<PickleValue>& args) {
  const auto names_role = [&](size_t i, std::initializer_list<GlobalRole> roles) {
    return args[i].is(PickleKind::global) &&
           std::find(roles.begin(), roles.end(), tree.globals[args[i].index()]->role) != roles.end();
  };
  if (args.size() != 4 || !args[2].is(PickleKind::tuple) || !names_role(1, {GlobalRole::tensor_class}) ||
      !names_role(
          0, {GlobalRole::rebuild_tensor, GlobalRole::rebuild_typed_tensor, GlobalRole::rebuild_parameter}))
    refuse_call(global, "a function that makes a tensor, torch.Tensor or Parameter, arguments and a state");
  return call_global(tree, *tree.globals[args[0].index()], args[2]);
}

/// Made empty, or of a list of its members; of pairs in the case of a dict.
PickleValue make_container(PickleTree& tree, const AllowedGlobal& global, PickleKind kind,
                           const std::vector<PickleValue>& args) {
  if (args.empty()) return tree.add_sequence(kind);
  if (args.size() != 1 || !args[0].is_sequence() || args[0].is_dict()) refuse_call(global, "a list");
  tree.will_copy(tree.items(args[0]).size());
  const std::vector<PickleValue> given = tree.items(args[0]);
  if (kind != PickleKind::dict) return tree.add_sequence(kind, given);
  std::vector<PickleValue> pairs;
  for (const PickleValue pair : given) {
    if (!pair.is_sequence() || pair.is_dict() || tree.items(pair).size() != 2)
      refuse_call(global, "a list of pairs");
    for (const PickleValue part : tree.items(pair)) pairs.push_back(part);
  }
  return tree.add_sequence(kind, std::move(pairs));
}

}  // namespace

PickleValue call_global(PickleTree& tree, const AllowedGlobal& global, PickleValue arguments) {
  const std::vector<PickleValue> args = arguments_of(tree, arguments);
  switch (global.role) {
    case GlobalRole::ordered_dict:
      return make_container(tree, global, PickleKind::dict, args);
    case GlobalRole::set:
      return make_container(tree, global, PickleKind::set, args);
    case GlobalRole::plain_object:
      if (!args.empty()) refuse_call(global, "no arguments");
      return tree.add_sequence(PickleKind::object);
    case GlobalRole::size:
      return make_container(tree, global, PickleKind::tuple, args.empty() ? args : std::vector{args[0]});
    case GlobalRole::device:
      if (args.empty() || !args[0].is(PickleKind::text)) refuse_call(global, "the name of a device");
      return args[0];
    case GlobalRole::rebuild_tensor:
    case GlobalRole::rebuild_typed_tensor:
      return rebuild(tree, global, args);
    case GlobalRole::rebuild_parameter:
      if (args.empty() || !args[0].is(PickleKind::tensor)) refuse_call(global, "a tensor");
      return args[0];
    case GlobalRole::rebuild_from_type:
      return rebuild_from_type(tree, global, args);
    case GlobalRole::left_out:
      return tree.add_text(PickleKind::left_out, global.module);
    default:
      refuse_call(global, "nothing: it is no function");
  }
}

PickleValue load_storage(PickleTree& tree, PickleValue id) {
  const auto& parts = tuple_items(tree, id);
  const auto is_storage_class = [&](PickleValue value) {
    return value.is(PickleKind::global) && tree.globals[value.index()]->role == GlobalRole::storage;
  };
  if (parts.size() != 5 || !parts[0].is(PickleKind::text) || tree.text(parts[0]) != "storage" ||
      !is_storage_class(parts[1]) || !parts[2].is(PickleKind::text))
    throw PickleFault{"persistent_id",
                      "expected (\"storage\", class, key, device, count) as the name of a storage"};
  PickleStorage storage;
  storage.key = tree.text(parts[2]);
  storage.dtype = tree.globals[parts[1].index()]->dtype;
  storage.count = count_of(parts[4], "a count");
  if (storage.count > (uint64_t{1} << 56))
    throw PickleFault{"storage_size", "expected a storage that a disk holds"};
  const auto [known, is_new] =
      tree.storage_by_key.try_emplace(storage.key, static_cast<uint32_t>(tree.storages.size()));
  if (is_new) {
    tree.storages.push_back(storage);
  } else if (tree.storages[known->second].dtype != storage.dtype ||
             tree.storages[known->second].count != storage.count) {
    throw PickleFault{"storage_twice", str("expected storage ", printable(storage.key),
                                           " to be of one dtype and size wherever it is named")};
  }
  return {PickleKind::storage, known->second};
}

void build(PickleTree& tree, PickleValue target, PickleValue state) {
  // Attributes of a dict (`_metadata` of a state dict) are of no use here, nor is anything of what is left
  // out.
  if (target.is(PickleKind::dict) || target.is(PickleKind::left_out) || target.is(PickleKind::tensor)) return;
  if (!target.is(PickleKind::object) || !state.is(PickleKind::dict))
    throw PickleFault{"state", "expected the attributes of an object that may have some"};
  tree.will_copy(tree.items(state).size());
  const std::vector<PickleValue> attributes = tree.items(state);
  auto& items = tree.items(target);
  items.insert(items.end(), attributes.begin(), attributes.end());
}

}  // namespace tongueforge::checkpoint

// The pickle of a file of torch, without its archive.
#include "checkpoint/pickle.h"

#include <vector>

#include "checkpoint/strided_runs.h"
#include "core/error.h"
#include "made_pickles.h"
#include "target.h"
#include "targets.h"

namespace tongueforge::fuzz {
namespace {

using checkpoint::PickleTensor;
using checkpoint::PickleTree;

constexpr uint64_t kMostWalked = 1 << 14;

/// What readers of the data rely on: every element of every view lies in its storage.
void check_tensor(const PickleTree& tree, const PickleTensor& tensor) {
  require(tensor.storage < tree.storages.size(), "a tensor has a storage");
  const uint64_t elements = tensor.num_elements(), width = static_cast<uint64_t>(dtype_width(tensor.dtype));
  const uint64_t held = tree.storages[tensor.storage].num_bytes() / width;
  require(tensor.offset <= held, "a tensor begins in its storage");
  if (elements == 0) return;
  require(checkpoint::span_of(tensor) <= held - tensor.offset, "a tensor ends in its storage");
  if (elements > kMostWalked) return;
  uint64_t walked = 0;
  checkpoint::for_each_run(tensor, [&](uint64_t element, uint64_t count) {
    require(element + count <= held, "a stretch lies in its storage");
    walked += count;
  });
  require(walked == elements, "stretches hold every element once");
  if (tensor.is_contiguous())
    require(checkpoint::span_of(tensor) == elements, "a contiguous view has no gaps");
}

bool run(std::string_view input) {
  try {
    const PickleTree tree = checkpoint::read_pickle({input.begin(), input.end()}, "data.pkl", 0);
    for (const PickleTensor& tensor : tree.tensors) check_tensor(tree, tensor);
    tree.find(tree.root, "state_dict");
    return true;
  } catch (const Error& error) {
    require_refusal(error, "ERR_PICKLE");
    return false;
  }
}

std::string fresh(Dice& dice) {
  std::vector<std::string> storages;
  return made_pickle(dice, storages);
}

void mutate(std::string& input, Dice& dice, const ByteMutator& bytes) {
  if (dice.one_in(32)) input = fresh(dice);
  mutate_pickle(input, dice, bytes);
}

// kMaxCopiedItems of 16 bytes, twice while a vector grows.
size_t memory(size_t input_bytes) { return 64 * input_bytes + (40 << 20); }

}  // namespace

const Target pickle = {"pickle", run, fresh, mutate, memory};

}  // namespace tongueforge::fuzz

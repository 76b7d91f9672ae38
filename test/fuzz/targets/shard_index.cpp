// model.safetensors.index.json.
#include "checkpoint/shard_index.h"

#include <algorithm>
#include <vector>

#include "checkpoint/safetensors_writer.h"
#include "core/error.h"
#include "json_mutator.h"
#include "target.h"
#include "targets.h"

namespace tongueforge::fuzz {
namespace {

bool run(std::string_view input) {
  try {
    const auto index = checkpoint::parse_shard_index(input, "index.json");
    require(!index.entries.empty() && !index.files.empty(), "an index has tensors and files");
    require(std::is_sorted(index.files.begin(), index.files.end()), "files are sorted");
    for (const std::string& file : index.files)
      require(file.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos && file.front() != '.' &&
                  file.ends_with(".safetensors"),
              "a file is one of the folder");
    for (const auto& entry : index.entries) {
      require(entry.file < index.files.size(), "a row names a file of the list");
      require(index.find(entry.tensor) == &entry, "a row is found by its tensor");
      require(entry.offset < input.size(), "a row stands in the text");
    }
    return true;
  } catch (const Error& error) {
    require_refusal(error, "ERR_SHARD_INDEX");
    return false;
  }
}

std::string fresh(Dice& dice) {
  const size_t shards = 1 + dice.below(3), tensors = 1 + dice.below(5);
  std::vector<checkpoint::IndexRow> rows;
  for (size_t i = 0; i < std::max(shards, tensors); i++)
    rows.push_back({str("layers.", i, ".weight"),
                    dice.one_in(8) ? "other.safetensors"
                                   : str("model-0000", i % shards + 1, "-of-0000", shards, ".safetensors")});
  return checkpoint::index_json(std::move(rows), dice.number());
}

void mutate(std::string& input, Dice& dice, const ByteMutator& bytes) {
  mutate_document(input, dice, bytes, {fresh, 32});
}

size_t memory(size_t input_bytes) { return 16 * input_bytes + (1 << 20); }

}  // namespace

const Target shard_index = {"shard_index", run, fresh, mutate, memory};

}  // namespace tongueforge::fuzz

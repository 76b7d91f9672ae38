// A file of torch: the archive, its pickle, and the data of every tensor.
#include "checkpoint/torch_file.h"

#include <optional>
#include <vector>

#include "bytes.h"
#include "checkpoint/made_torch.h"
#include "convert/torch_source.h"
#include "core/error.h"
#include "made_pickles.h"
#include "memory_file.h"
#include "target.h"
#include "targets.h"

namespace tongueforge::fuzz {
namespace {

using checkpoint::TorchFile;
using testing::MadeEntry;

constexpr uint64_t kMostRead = 1 << 18;

void read_all(TorchFile& file) {
  SilentJob job;
  uint64_t budget = kMostRead;
  for (const auto& tensor : file.tree().tensors) {
    if (tensor.num_bytes() > budget) return;
    budget -= tensor.num_bytes();
    uint64_t done = 0;
    file.read(tensor, job, [&](uint64_t offset, const void*, uint64_t count) {
      require(offset == done, "a tensor comes in order");
      done += count;
    });
    require(done == tensor.num_bytes(), "a tensor comes whole");
  }
}

bool run(std::string_view input) {
  try {
    auto file = TorchFile::open(MemoryFile::of(input));
    convert::describe(file);
    read_all(file);
    file.check_unchanged();
    return true;
  } catch (const Error& error) {
    require_refusal(error, "ERR_PICKLE");
    return false;
  }
}

/// The entries of an archive, as its directory tells them; nothing where it is too far from one.
std::optional<std::vector<MadeEntry>> entries_of(std::string_view zip) {
  if (zip.size() < 22) return std::nullopt;
  std::vector<MadeEntry> entries;
  size_t at = number_at(zip, zip.size() - 6, 4);
  for (size_t i = number_at(zip, zip.size() - 12, 2); i > 0 && entries.size() < 64; i--) {
    if (at + 46 > zip.size()) return std::nullopt;
    const size_t name = number_at(zip, at + 28, 2), local = number_at(zip, at + 42, 4);
    const size_t data = local + 30 + number_at(zip, local + 26, 2) + number_at(zip, local + 28, 2);
    if (at + 46 + name > zip.size() || data > zip.size()) return std::nullopt;
    entries.push_back(
        {std::string(zip.substr(at + 46, name)), std::string(zip.substr(data, number_at(zip, at + 24, 4)))});
    at += 46 + name + number_at(zip, at + 30, 2) + number_at(zip, at + 32, 2);
  }
  return entries;
}

/// The end of an archive told by the records of zip64, as torch writes them.
std::string with_end64(std::string zip) {
  const size_t end = zip.size() - 22;
  const uint64_t count = number_at(zip, end + 10, 2), size = number_at(zip, end + 12, 4),
                 offset = number_at(zip, end + 16, 4);
  const std::string record = little(0x06064b50, 4) + little(44, 8) + little(0, 4) + little(0, 8) +
                             little(count, 8) + little(count, 8) + little(size, 8) + little(offset, 8);
  zip.insert(end, record + little(0x07064b50, 4) + little(0, 4) + little(end, 8) + little(1, 4));
  return zip;
}

std::string fresh(Dice& dice) {
  std::vector<std::string> storages;
  const std::string pickle = made_pickle(dice, storages);
  const std::string zip = testing::torch_bytes(pickle, storages);
  return dice.one_in(4) ? with_end64(zip) : zip;
}

void mutate_entry(MadeEntry& entry, Dice& dice, const ByteMutator& bytes) {
  if (entry.name.ends_with("data.pkl") && !dice.one_in(4)) return mutate_pickle(entry.data, dice, bytes);
  switch (dice.below(8)) {
    case 0:
      bytes(entry.name);
      break;
    case 1:
      entry.name = dice.of({"archive/data.pkl", "archive/data/0", "archive/data/1", "archive/byteorder",
                            "../x", "archive/code/x", "x/data.pkl"});
      break;
    case 2:
      entry.flags = static_cast<uint16_t>(1 << dice.below(16));
      break;
    case 3:
      entry.method = static_cast<uint16_t>(dice.below(10));
      break;
    case 4:
      entry.local_shift = static_cast<int64_t>(dice.below(64)) - 32;
      break;
    case 5:
      entry.lie_size = dice.one_in(2) ? dice.number() : entry.data.size() + dice.below(3) - 1;
      break;
    case 6:
      entry.local_name = dice.bytes(entry.name.size());
      break;
    default:
      bytes(entry.data);
  }
}

void mutate(std::string& input, Dice& dice, const ByteMutator& bytes) {
  if (dice.one_in(16)) return bytes(input);
  auto entries = entries_of(input);
  if (!entries || entries->empty() || dice.one_in(32)) {
    input = fresh(dice);
    entries = entries_of(input);
  }
  for (size_t changes = 1 + dice.below(2); changes > 0; changes--) {
    const size_t at = dice.below(entries->size());
    if (dice.one_in(16))
      entries->push_back((*entries)[at]);
    else if (dice.one_in(16))
      std::swap((*entries)[at], entries->front());
    else
      mutate_entry(dice.one_in(2) ? entries->front() : (*entries)[at], dice, bytes);
  }
  input = testing::stored_zip(*entries);
  if (dice.one_in(4)) input = with_end64(input);
  if (dice.one_in(4)) put_edge(input, dice);
}

// As the pickle, and two chunks of data.
size_t memory(size_t input_bytes) { return 64 * input_bytes + (48 << 20); }

}  // namespace

const Target torch_file = {"torch_file", run, fresh, mutate, memory};

}  // namespace tongueforge::fuzz

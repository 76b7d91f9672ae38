// What our reader says of safetensors files that are made at random and changed, for another reader to
// compare: `header_verdicts COUNT SEED`, to standard output. A record: length u32, the file, length of the
// verdict u8, the verdict. A verdict: the reason of a refusal; or '=' and a CRC-32 over what was read
// (test/parity/safetensors.test.mjs).
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "bytes.h"
#include "checkpoint/crc32.h"
#include "checkpoint/safetensors.h"
#include "core/error.h"
#include "made_headers.h"
#include "memory_file.h"

namespace tongueforge::fuzz {
namespace {

/// Of each tensor, by name: name, dtype, shape and data, one line a tensor.
std::string digest_of(const checkpoint::SafetensorsFile& file) {
  std::vector<const checkpoint::TensorInfo*> tensors;
  for (const auto& tensor : file.tensors()) tensors.push_back(&tensor);
  std::sort(tensors.begin(), tensors.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  std::string all;
  for (const auto* tensor : tensors) {
    all += tensor->name + '|' + dtype_name(tensor->dtype);
    for (const int64_t size : tensor->shape) all += '|' + std::to_string(size);
    std::string data(tensor->num_bytes(), '\0');
    file.read(*tensor, data.data());
    all += '|' + data + '\n';
  }
  return '=' + std::to_string(checkpoint::crc32(0, all.data(), all.size()));
}

std::string verdict_of(const std::string& input) {
  try {
    return digest_of(checkpoint::SafetensorsFile::open(MemoryFile::of(input)));
  } catch (const Error& error) {
    for (const auto& [name, value] : error.details())
      if (name == "reason") return value;
    return error.code();
  }
}

void put(const std::string& input) {
  const std::string verdict = verdict_of(input);
  const std::string record = little(input.size(), 4) + input + little(verdict.size(), 1) + verdict;
  if (std::fwrite(record.data(), 1, record.size(), stdout) != record.size()) std::exit(1);
}

/// A file and a few generations of changes to it: the later ones are far from right in several ways.
void put_all(uint64_t count, uint64_t seed) {
  Dice dice(seed);
  const ByteMutator bytes = byte_mutator(dice);
  std::string input;
  for (uint64_t i = 0; i < count; i++) {
    if (i % 4 == 0)
      input = made_safetensors(dice);
    else
      mutate_safetensors(input, dice, bytes);
    if (input.size() > kMaxInput) input.resize(kMaxInput);
    put(input);
  }
}

}  // namespace
}  // namespace tongueforge::fuzz

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: header_verdicts COUNT SEED\n");
    return 2;
  }
  tongueforge::fuzz::put_all(std::strtoull(argv[1], nullptr, 10), std::strtoull(argv[2], nullptr, 10));
  return std::fflush(stdout) == 0 ? 0 : 1;
}

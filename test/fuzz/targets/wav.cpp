// A wav file: its chunks, and all of its samples.
#include "audio/wav.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "audio/wav_files.h"
#include "bytes.h"
#include "core/error.h"
#include "memory_file.h"
#include "target.h"
#include "targets.h"

namespace tongueforge::fuzz {
namespace {

void check_samples(const audio::WavFile& file, std::string_view input) {
  const audio::WavHeader& header = file.header();
  require(header.channels > 0 && header.frames >= 0 && header.rate > 0,
          "a head has channels, samples and a rate");
  require(header.data_offset + static_cast<uint64_t>(header.frames * header.frame_bytes()) <= input.size(),
          "samples lie in the file");
  SilentJob job;
  const auto all = file.read(0, header.frames, job);
  for (const float sample : all) require(std::isfinite(sample), "a sample is a number");
  const int64_t half = header.frames / 2;
  const auto rest = file.read(half, header.frames - half, job);
  require(std::equal(rest.begin(), rest.end(), all.begin() + half, all.end()),
          "a part is a part of the whole");
}

bool run(std::string_view input) {
  try {
    const auto file = audio::WavFile::open(MemoryFile::of(input));
    check_samples(file, input);
    return true;
  } catch (const Error& error) {
    require_refusal(error, "ERR_AUDIO");
    return false;
  }
}

using Chunks = std::vector<std::pair<std::string, std::string>>;

std::string some_format(Dice& dice) {
  const bool whole = dice.one_in(2);
  const auto bits = static_cast<uint16_t>(whole ? 8 * (1 + dice.below(4)) : 32 * (1 + dice.below(2)));
  const auto channels = static_cast<uint16_t>(dice.one_in(16) ? dice.number() : 1 + dice.below(3));
  const auto rate = static_cast<uint32_t>(dice.one_in(16) ? dice.number() : 16000);
  const uint16_t codec = whole ? 1 : 3;
  return dice.one_in(3) ? test::extensible_format(codec, channels, rate, bits)
                        : test::format(codec, channels, rate, bits);
}

/// As a file of the same kind as before, or of RF64, whose sizes stand in a chunk of its own.
std::string file_of(const Chunks& chunks, std::string_view kind, Dice& dice) {
  std::string body;
  for (const auto& [tag, content] : chunks) body += test::chunk(tag, content);
  std::string out = test::riff(body);
  out.replace(0, 4, kind);
  if (dice.one_in(16)) put_number(out, 4, dice.number(), 4);
  return out;
}

Chunks chunks_of(std::string_view file) {
  Chunks chunks;
  for (size_t at = 12; at + 8 <= file.size();) {
    const size_t size = std::min<size_t>(number_at(file, at + 4, 4), file.size() - at - 8);
    chunks.emplace_back(file.substr(at, 4), file.substr(at + 8, size));
    at += 8 + size + size % 2;
  }
  return chunks;
}

std::string fresh(Dice& dice) {
  const std::string format = some_format(dice);
  const size_t frame = std::max<size_t>(number_at(format, 12, 2), 1);
  Chunks chunks = {{"fmt ", format},
                   {"data", std::string(std::min<size_t>(dice.below(20) * frame, 512), '\x11')}};
  if (dice.one_in(3)) chunks.insert(chunks.begin() + 1, {"LIST", dice.bytes(dice.below(9))});
  const bool is_long = dice.one_in(4);
  if (is_long)
    chunks.insert(chunks.begin(),
                  {"ds64", little(0, 8) + little(chunks.back().second.size(), 8) + little(0, 12)});
  std::string out = file_of(chunks, is_long ? "RF64" : "RIFF", dice);
  if (is_long) put_number(out, out.size() - chunks.back().second.size() - 4, 0xffffffff, 4);
  return out;
}

void mutate(std::string& input, Dice& dice, const ByteMutator& bytes) {
  if (dice.one_in(16)) return bytes(input);
  if (dice.one_in(16) || input.size() < 12) input = fresh(dice);
  if (dice.one_in(4)) return put_edge(input, dice);
  const std::string kind =
      dice.one_in(32) ? std::string(dice.of({"RIFF", "RF64", "BW64", "RIFX"})) : input.substr(0, 4);
  Chunks chunks = chunks_of(input);
  const size_t at = dice.below(chunks.size());
  if (chunks.empty() || dice.one_in(8)) {
    chunks.emplace_back(dice.of({"fmt ", "data", "ds64", "LIST"}),
                        dice.one_in(2) ? some_format(dice) : dice.bytes(dice.below(41)));
  } else if (dice.one_in(8)) {
    chunks.push_back(chunks[at]);
  } else if (dice.one_in(8)) {
    chunks.erase(chunks.begin() + static_cast<std::ptrdiff_t>(at));
  } else if (chunks[at].first == "fmt " && dice.one_in(2)) {
    chunks[at].second = some_format(dice);
  } else {
    bytes(chunks[at].second);
  }
  input = file_of(chunks, kind, dice);
}

// A float and the bytes for every sample, in two halves and a whole.
size_t memory(size_t input_bytes) { return 16 * input_bytes + (1 << 20); }

}  // namespace

const Target wav = {"wav", run, fresh, mutate, memory};

}  // namespace tongueforge::fuzz

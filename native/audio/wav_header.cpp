#include "audio/wav_header.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>

#include "checkpoint/json_text.h"
#include "core/error.h"

namespace tongueforge::audio {
namespace {

constexpr uint64_t kRiffHead = 12, kChunkHead = 8;
/// Chunks before the samples: a handful in any real file, and each costs a read.
constexpr int kMostChunks = 1000;
constexpr int64_t kLowestRate = 1000, kHighestRate = 768000;
constexpr uint16_t kPcm = 1, kFloat = 3, kExtensible = 0xfffe;
/// Of a sub-format, what follows its code.
constexpr std::array<uint8_t, 14> kSubFormatTail = {0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80,
                                                    0x00, 0x00, 0xaa, 0x00, 0x38, 0x9b, 0x71};

constexpr const char* kConvert = "Convert it: ffmpeg -i FILE -c:a pcm_s16le OUT.wav";
constexpr const char* kFetch = "Is it all there? Copy or write it again.";

constexpr struct {
  uint16_t code;
  const char* name;
} kOtherCodecs[] = {{0x0002, "MS ADPCM"}, {0x0006, "A-law"}, {0x0007, "mu-law"},      {0x0011, "IMA ADPCM"},
                    {0x0031, "GSM"},      {0x0050, "MPEG"},  {0x0055, "MPEG layer 3"}};

constexpr struct {
  uint16_t code, bits;
  Encoding encoding;
} kEncodings[] = {{kPcm, 8, Encoding::Unsigned8},  {kPcm, 16, Encoding::Signed16},
                  {kPcm, 24, Encoding::Signed24},  {kPcm, 32, Encoding::Signed32},
                  {kFloat, 32, Encoding::Float32}, {kFloat, 64, Encoding::Float64}};

// Numbers are little-endian, as the machines are that this is built for.
template <class Number>
Number number_at(const uint8_t* bytes) {
  Number value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

std::string_view tag_at(const uint8_t* bytes) { return {reinterpret_cast<const char*>(bytes), 4}; }

/// What a writer leaves that could not go back: nothing, the largest number, or, as SoX and arecord, 2 GB
/// less or more a little.
bool is_unknown(uint64_t size) {
  return size == 0 || size == 0xffffffff || (size >= 0x7fff0000 && size <= 0x80000100);
}

struct Chunk {
  std::string tag;
  uint64_t offset = 0;  // of what it holds
  uint64_t size = 0;    // as it says
};

/// What is known of a file while its chunks are read.
struct Riff {
  const checkpoint::PosixFile& file;
  uint64_t file_size = 0;
  uint64_t end = 0;                          // of the chunks
  bool sizes_unknown = false;                // by the size of the whole
  std::optional<uint64_t> long_data_size{};  // RF64
  std::optional<WavHeader> format{};

  [[noreturn]] void refuse(uint64_t offset, const char* reason, const std::string& message,
                           const char* hint) const {
    refuse_audio(file.path(), offset, reason, message, hint);
  }
};

Riff open_riff(const checkpoint::PosixFile& file) {
  Riff riff{.file = file, .file_size = file.stamp().size};
  if (riff.file_size == 0) riff.refuse(0, "empty_file", "expected a wav file, received an empty one", kFetch);
  std::array<uint8_t, kRiffHead> head{};
  file.pread_exact(head.data(), std::min(kRiffHead, riff.file_size), 0);
  const auto tag = tag_at(head.data());
  const bool is_long = tag == "RF64" || tag == "BW64";
  if ((tag != "RIFF" && !is_long) || tag_at(head.data() + 8) != "WAVE")
    riff.refuse(0, "not_wav", "expected a wav file (RIFF ... WAVE), received something else",
                tag == "RIFX" ? "This one is big-endian. Convert it: ffmpeg -i FILE OUT.wav" : kConvert);
  const uint64_t size = number_at<uint32_t>(head.data() + 4);
  riff.sizes_unknown = is_unknown(size) && (size == 0 || size + kChunkHead > riff.file_size);
  if (!is_long && !riff.sizes_unknown && size + kChunkHead > riff.file_size)
    riff.refuse(4, "truncated",
                str("expected a file of ", size + kChunkHead, " bytes, received ", riff.file_size), kFetch);
  riff.end = is_long || riff.sizes_unknown ? riff.file_size : size + kChunkHead;
  return riff;
}

/// The chunk whose head stands at `offset`.
Chunk chunk_at(const Riff& riff, uint64_t offset) {
  if (offset + kChunkHead > riff.end)
    riff.refuse(offset, "no_samples", "expected a chunk \"data\" with samples, received the end of the file",
                kFetch);
  std::array<uint8_t, kChunkHead> head{};
  riff.file.pread_exact(head.data(), head.size(), offset);
  return {std::string(tag_at(head.data())), offset + kChunkHead, number_at<uint32_t>(head.data() + 4)};
}

void check_whole(const Riff& riff, const Chunk& chunk) {
  if (chunk.size <= riff.end - chunk.offset) return;
  riff.refuse(chunk.offset - 4, "truncated",
              str("expected ", chunk.size, " bytes of chunk \"", checkpoint::printable(chunk.tag),
                  "\", received ", riff.end - chunk.offset),
              kFetch);
}

/// The code of the format, that of the sub-format where it is extensible.
uint16_t codec_of(const Riff& riff, const Chunk& chunk, const uint8_t* bytes) {
  const auto code = number_at<uint16_t>(bytes);
  if (code != kExtensible) return code;
  const bool is_known =
      chunk.size >= 40 && std::equal(kSubFormatTail.begin(), kSubFormatTail.end(), bytes + 26);
  if (is_known) return number_at<uint16_t>(bytes + 24);
  riff.refuse(chunk.offset, "codec", "expected PCM or float, received a sub-format that is not known",
              kConvert);
}

Encoding encoding_of(const Riff& riff, const Chunk& chunk, uint16_t codec, uint16_t bits) {
  for (const auto& row : kEncodings)
    if (row.code == codec && row.bits == bits) return row.encoding;
  std::string received = str("codec ", codec);
  for (const auto& row : kOtherCodecs)
    if (row.code == codec) received = row.name;
  if (codec == kPcm || codec == kFloat)
    received = str(bits, codec == kPcm ? " bits of PCM" : " bits of float");
  riff.refuse(chunk.offset, "codec",
              str("expected PCM of 8, 16, 24 or 32 bits or float of 32 or 64, received ", received),
              kConvert);
}

void read_format(Riff& riff, const Chunk& chunk) {
  if (riff.format)
    riff.refuse(chunk.offset, "format_twice", "expected one chunk \"fmt \", received two", kConvert);
  if (chunk.size < 16)
    riff.refuse(chunk.offset - 4, "format_size",
                str("expected a chunk \"fmt \" of at least 16 bytes, received ", chunk.size), kConvert);
  check_whole(riff, chunk);
  std::array<uint8_t, 40> bytes{};
  riff.file.pread_exact(bytes.data(), std::min<uint64_t>(bytes.size(), chunk.size), chunk.offset);
  WavHeader header;
  header.channels = number_at<uint16_t>(bytes.data() + 2);
  header.rate = number_at<uint32_t>(bytes.data() + 4);
  const auto frame_bytes = number_at<uint16_t>(bytes.data() + 12),
             bits = number_at<uint16_t>(bytes.data() + 14);
  header.encoding = encoding_of(riff, chunk, codec_of(riff, chunk, bytes.data()), bits);
  if (header.channels == 0)
    riff.refuse(chunk.offset + 2, "channels", "expected channels, received none", kConvert);
  if (header.rate < kLowestRate || header.rate > kHighestRate)
    riff.refuse(
        chunk.offset + 4, "rate",
        str("expected from ", kLowestRate, " to ", kHighestRate, " samples a second, received ", header.rate),
        kConvert);
  if (header.frame_bytes() != frame_bytes)
    riff.refuse(chunk.offset + 12, "frame_size",
                str("expected ", header.frame_bytes(), " bytes for a sample of ", header.channels,
                    " channels, received ", frame_bytes),
                kConvert);
  riff.format = std::move(header);
}

/// RF64: sizes beyond 32 bits, before everything else.
void read_long_sizes(Riff& riff, const Chunk& chunk) {
  check_whole(riff, chunk);
  if (chunk.size < 24)
    riff.refuse(chunk.offset - 4, "truncated", "expected the sizes of chunk \"ds64\", received fewer bytes",
                kFetch);
  std::array<uint8_t, 24> bytes{};
  riff.file.pread_exact(bytes.data(), bytes.size(), chunk.offset);
  riff.long_data_size = number_at<uint64_t>(bytes.data() + 8);
}

/// Bytes of samples; says so where they are those that there are, as the file does not tell.
uint64_t data_size(const Riff& riff, const Chunk& chunk, std::string& remark) {
  const uint64_t there = riff.end - chunk.offset;
  const bool nothing_told =
      chunk.size == 0 && (riff.sizes_unknown || (there == 0 && riff.file_size > riff.end));
  if (nothing_told || (is_unknown(chunk.size) && chunk.size > there && !riff.long_data_size)) {
    const uint64_t rest = riff.file_size - chunk.offset;
    if (rest > 0) remark = "its size was never filled in: all that follows is taken for samples";
    return rest;
  }
  Chunk whole = chunk;
  if (riff.long_data_size && chunk.size == 0xffffffff) whole.size = *riff.long_data_size;
  check_whole(riff, whole);
  return whole.size;
}

WavHeader with_samples(const Riff& riff, const Chunk& chunk) {
  if (!riff.format)
    riff.refuse(chunk.offset, "no_format", "expected a chunk \"fmt \" before the samples, received none",
                kConvert);
  WavHeader header = *riff.format;
  const uint64_t size = data_size(riff, chunk, header.remark);
  const auto frame = static_cast<uint64_t>(header.frame_bytes());
  header.data_offset = chunk.offset;
  header.frames = static_cast<int64_t>(size / frame);
  if (size % frame == 0) return header;
  if (header.remark.empty())
    riff.refuse(chunk.offset - 4, "part_of_a_sample",
                str("expected samples of ", frame, " bytes each, received ", size, " bytes"), kFetch);
  header.remark += str("; the last ", size % frame, " bytes are part of one and left out");
  return header;
}

}  // namespace

int64_t bytes_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::Unsigned8:
      return 1;
    case Encoding::Signed16:
      return 2;
    case Encoding::Signed24:
      return 3;
    case Encoding::Signed32:
    case Encoding::Float32:
      return 4;
    case Encoding::Float64:
      return 8;
  }
  throw Error("ERR_INTERNAL", "no such encoding of samples");
}

WavHeader read_wav_header(const checkpoint::PosixFile& file) {
  Riff riff = open_riff(file);
  uint64_t offset = kRiffHead;
  for (int count = 0; count < kMostChunks; count++) {
    const Chunk chunk = chunk_at(riff, offset);
    if (chunk.tag == "data") return with_samples(riff, chunk);
    if (chunk.tag == "fmt ") read_format(riff, chunk);
    if (chunk.tag == "ds64") read_long_sizes(riff, chunk);
    check_whole(riff, chunk);
    offset = chunk.offset + chunk.size + chunk.size % 2;
  }
  riff.refuse(offset, "chunks", str("expected samples, received ", kMostChunks, " other chunks before them"),
              kConvert);
}

void refuse_audio(const std::string& file, uint64_t offset, const char* reason, const std::string& message,
                  const std::string& hint) {
  throw Error("ERR_AUDIO", str(file, ": ", message), hint,
              {{"file", file}, {"offset", str(offset)}, {"reason", reason}});
}

}  // namespace tongueforge::audio

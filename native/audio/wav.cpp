#include "audio/wav.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace tongueforge::audio {
namespace {

constexpr int64_t kFramesAtOnce = 1 << 16;

template <class Stored>
double stored_at(const uint8_t* bytes, double scale) {
  Stored value;
  std::memcpy(&value, bytes, sizeof value);
  return static_cast<double>(value) * scale;
}

double signed24_at(const uint8_t* bytes) {
  const auto high = static_cast<int8_t>(bytes[2]);
  return (high * 65536 + bytes[1] * 256 + bytes[0]) * 0x1p-23;
}

double sample_at(const uint8_t* bytes, Encoding encoding) {
  switch (encoding) {
    case Encoding::Unsigned8:
      return (bytes[0] - 128) * 0x1p-7;
    case Encoding::Signed16:
      return stored_at<int16_t>(bytes, 0x1p-15);
    case Encoding::Signed24:
      return signed24_at(bytes);
    case Encoding::Signed32:
      return stored_at<int32_t>(bytes, 0x1p-31);
    case Encoding::Float32:
      return stored_at<float>(bytes, 1);
    case Encoding::Float64:
      return stored_at<double>(bytes, 1);
  }
  throw Error("ERR_INTERNAL", "no such encoding of samples");
}

/// frames (count, channels) -> out (count)
void mix_down(const uint8_t* frames, const WavHeader& header, std::span<float> out) {
  const int64_t step = bytes_of(header.encoding);
  for (float& mixed : out) {
    double sum = 0;
    for (int64_t channel = 0; channel < header.channels; channel++, frames += step)
      sum += sample_at(frames, header.encoding);
    mixed = static_cast<float>(sum / static_cast<double>(header.channels));
  }
}

}  // namespace

WavFile WavFile::open(const std::string& path) {
  auto file = checkpoint::PosixFile::open_read(path);
  auto header = read_wav_header(file);
  return {std::move(file), std::move(header)};
}

WavFile::WavFile(checkpoint::PosixFile file, WavHeader header)
    : file_(std::move(file)), header_(std::move(header)) {}

std::vector<float> WavFile::read(int64_t first, int64_t count, Job& job) const {
  check_range(first, count);
  const auto frame = static_cast<uint64_t>(header_.frame_bytes());
  const int64_t at_once = std::max<int64_t>(std::min(kFramesAtOnce / header_.channels, count), 1);
  std::vector<uint8_t> bytes(static_cast<size_t>(at_once) * frame);
  std::vector<float> samples(static_cast<size_t>(count));
  for (int64_t done = 0; done < count; done += at_once) {
    job.check();
    const auto piece = std::span(samples).subspan(done, std::min(at_once, count - done));
    file_.pread_exact(bytes.data(), piece.size() * frame,
                      header_.data_offset + static_cast<uint64_t>(first + done) * frame);
    mix_down(bytes.data(), header_, piece);
    check_numbers(piece, first + done);
  }
  return samples;
}

void WavFile::check_range(int64_t first, int64_t count) const {
  if (first >= 0 && count >= 0 && count <= header_.frames - first) return;
  throw Error("ERR_USAGE",
              str(file_.path(), ": expected a range within ", header_.frames, " samples, received ", count,
                  " from ", first, " on"),
              "The first sample is number 0.");
}

void WavFile::check_numbers(std::span<const float> samples, int64_t first) const {
  for (size_t i = 0; i < samples.size(); i++) {
    if (std::isfinite(samples[i])) continue;
    const int64_t sample = first + static_cast<int64_t>(i);
    refuse_audio(file_.path(), header_.data_offset + static_cast<uint64_t>(sample * header_.frame_bytes()),
                 "not_finite", str("sample ", sample, ": expected a number, received ", samples[i]),
                 "Write the file again, from what it was made of.");
  }
}

}  // namespace tongueforge::audio

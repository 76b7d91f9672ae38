// The head of a wav file: RIFF chunks up to the samples. Strict, since such files come from anywhere: a size
// that the file does not have is refused, never trusted. Only what programs leave that cannot go back to fill
// in sizes, as they write to a pipe, is taken for "until the end of the file", and said.
#pragma once
#include <cstdint>
#include <string>

#include "checkpoint/posix_file.h"

namespace tongueforge::audio {

enum class Encoding { Unsigned8, Signed16, Signed24, Signed32, Float32, Float64 };

/// Bytes of one sample of one channel.
int64_t bytes_of(Encoding encoding);

struct WavHeader {
  Encoding encoding = Encoding::Signed16;
  int64_t rate = 0;      // samples a second
  int64_t channels = 0;  // from 1
  int64_t frames = 0;    // samples of each channel
  uint64_t data_offset = 0;
  std::string remark;  // what was not as it should be, and could be read all the same; mostly empty

  int64_t frame_bytes() const { return channels * bytes_of(encoding); }
};

/// PCM of 8, 16, 24 and 32 bits and float of 32 and 64, plain or WAVE_FORMAT_EXTENSIBLE, any number of
/// channels; RF64 for what is larger than 4 GB. Chunks of other kinds are passed over, with the byte that
/// fills those of odd size.
/// @throws ERR_AUDIO {file, offset, reason} for what is not such a file, cut off or contradicts itself
WavHeader read_wav_header(const checkpoint::PosixFile& file);

/// Throws ERR_AUDIO {file, offset, reason}.
[[noreturn]] void refuse_audio(const std::string& file, uint64_t offset, const char* reason,
                               const std::string& message, const std::string& hint);

}  // namespace tongueforge::audio

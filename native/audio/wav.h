// Samples of a wav file, mixed down to one channel.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "audio/wav_header.h"
#include "checkpoint/posix_file.h"
#include "core/job.h"

namespace tongueforge::audio {

class WavFile {
 public:
  /// @throws ERR_NOT_FOUND, ERR_IO, ERR_AUDIO
  static WavFile open(const std::string& path);

  const WavHeader& header() const { return header_; }

  /// `count` samples from `first` on, each the mean of its channels: whole numbers in -1..1, floats as they
  /// are.
  /// @throws ERR_USAGE for samples that the file does not have, ERR_AUDIO for a float that is not a number,
  /// ERR_IO
  std::vector<float> read(int64_t first, int64_t count, Job& job) const;

 private:
  WavFile(checkpoint::PosixFile file, WavHeader header);
  void check_range(int64_t first, int64_t count) const;
  void check_numbers(std::span<const float> samples, int64_t first) const;

  checkpoint::PosixFile file_;
  WavHeader header_;
};

}  // namespace tongueforge::audio

// Wav files put together byte by byte, right ones and wrong ones.
#pragma once
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

namespace tongueforge::test {

template <class Number>
std::string bytes_of(Number value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

inline std::string chunk(const std::string& tag, const std::string& content) {
  return tag + bytes_of(static_cast<uint32_t>(content.size())) + content +
         std::string(content.size() % 2, '\0');
}

/// The content of "fmt ".
inline std::string format(uint16_t codec, uint16_t channels, uint32_t rate, uint16_t bits) {
  const auto frame = static_cast<uint16_t>(channels * bits / 8);
  return bytes_of(codec) + bytes_of(channels) + bytes_of(rate) + bytes_of(rate * frame) + bytes_of(frame) +
         bytes_of(bits);
}

/// The content of "fmt " of WAVE_FORMAT_EXTENSIBLE.
inline std::string extensible_format(uint16_t codec, uint16_t channels, uint32_t rate, uint16_t bits) {
  static const char kTail[] = "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71";
  return format(0xfffe, channels, rate, bits) + bytes_of(uint16_t{22}) + bytes_of(bits) +
         bytes_of(uint32_t{0}) + bytes_of(codec) + std::string(kTail, 14);
}

inline std::string riff(const std::string& chunks) {
  return "RIFF" + bytes_of(static_cast<uint32_t>(chunks.size() + 4)) + "WAVE" + chunks;
}

/// A file that goes with this object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& bytes) {
    static int number = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("tongueforge-wav-" + std::to_string(::getpid()) + "-" + std::to_string(number++) + ".wav");
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace tongueforge::test

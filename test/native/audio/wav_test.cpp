#include "audio/wav.h"

#include <cmath>
#include <limits>
#include <vector>

#include "audio/wav_files.h"
#include "cancels_after.h"
#include "core/error.h"
#include "doctest.h"

using namespace tongueforge;
using test::bytes_of;
using test::chunk;
using test::extensible_format;
using test::format;
using test::riff;
using test::TemporaryFile;

namespace {

std::vector<float> samples_of(const std::string& bytes) {
  const TemporaryFile file(bytes);
  const auto wav = audio::WavFile::open(file.path());
  SilentJob job;
  return wav.read(0, wav.header().frames, job);
}

Error refusal_of(const std::string& bytes) {
  try {
    samples_of(bytes);
  } catch (const Error& error) { return error; }
  FAIL("nothing was refused");
  return {"", ""};
}

std::string reason_of(const Error& error) {
  for (const auto& [key, value] : error.details())
    if (key == "reason") return value;
  return {};
}

template <class... Numbers>
std::string data_of(Numbers... numbers) {
  return chunk("data", (bytes_of(numbers) + ...));
}

std::string signed24(int32_t value) { return bytes_of(value).substr(0, 3); }

const std::string kPcm16 = chunk("fmt ", format(1, 1, 16000, 16));

}  // namespace

TEST_CASE("wav: whole numbers of every size become samples in -1..1") {
  using Samples = std::vector<float>;
  const auto pcm = [](uint16_t bits) { return chunk("fmt ", format(1, 1, 16000, bits)); };
  CHECK(samples_of(riff(pcm(8) + data_of(uint8_t{0}, uint8_t{128}, uint8_t{255}))) ==
        Samples{-1, 0, 127 / 128.f});
  CHECK(samples_of(riff(pcm(16) + data_of(int16_t{-32768}, int16_t{0}, int16_t{32767}))) ==
        Samples{-1, 0, 32767 / 32768.f});
  CHECK(samples_of(riff(pcm(24) + chunk("data", signed24(-8388608) + signed24(-1) + signed24(8388607)))) ==
        Samples{-1, -0x1p-23f, 1 - 0x1p-23f});
  CHECK(samples_of(riff(pcm(32) + data_of(std::numeric_limits<int32_t>::min(), int32_t{1 << 30}))) ==
        Samples{-1, 0.5f});
}

TEST_CASE("wav: floats of both sizes come as they are, beyond 1 too") {
  CHECK(samples_of(riff(chunk("fmt ", format(3, 1, 8000, 32)) + data_of(1.5f, -0.25f))) ==
        std::vector<float>{1.5f, -0.25f});
  CHECK(samples_of(riff(chunk("fmt ", format(3, 1, 8000, 64)) + data_of(0.1, -3.0))) ==
        std::vector<float>{0.1f, -3.f});
}

TEST_CASE("wav: channels are mixed down to their mean, how many there are") {
  CHECK(samples_of(riff(chunk("fmt ", format(1, 2, 16000, 16)) +
                        data_of(int16_t{100}, int16_t{300}, int16_t{-5}, int16_t{5}))) ==
        std::vector<float>{200 / 32768.f, 0});
  CHECK(samples_of(riff(chunk("fmt ", format(3, 3, 16000, 32)) + data_of(1.f, 2.f, 6.f))) ==
        std::vector<float>{3.f});
}

TEST_CASE("wav: the extensible format is read as what it holds") {
  CHECK(samples_of(riff(chunk("fmt ", extensible_format(1, 1, 16000, 16)) + data_of(int16_t{16384}))) ==
        std::vector<float>{0.5f});
  CHECK(samples_of(riff(chunk("fmt ", extensible_format(3, 1, 16000, 32)) + data_of(0.75f))) ==
        std::vector<float>{0.75f});
  std::string other = extensible_format(1, 1, 16000, 16);
  other[39] = 'x';
  CHECK(reason_of(refusal_of(riff(chunk("fmt ", other) + data_of(int16_t{1})))) == "codec");
}

TEST_CASE("wav: other chunks are passed over, odd ones with the byte that fills them") {
  const auto bytes = riff(chunk("LIST", "odd") + kPcm16 + chunk("fact", "even") + data_of(int16_t{8192}) +
                          chunk("id3 ", "behind"));
  CHECK(samples_of(bytes) == std::vector<float>{0.25f});
}

TEST_CASE("wav: a part of a file is the same part of its samples") {
  std::string data;
  for (int i = 0; i < 100000; i++) data += bytes_of(static_cast<int16_t>(i % 30000));
  const TemporaryFile file(riff(kPcm16 + chunk("data", data)));
  const auto wav = audio::WavFile::open(file.path());
  SilentJob job;
  const auto whole = wav.read(0, 100000, job), part = wav.read(70000, 29999, job);
  CHECK(std::equal(part.begin(), part.end(), whole.begin() + 70000));
  CHECK(wav.read(100000, 0, job).empty());
  CHECK_THROWS_WITH_AS(wav.read(99999, 2, job),
                       doctest::Contains("within 100000 samples, received 2 from 99999 on"), Error);
  test::CancelsAfter cancelled(1);
  CHECK_THROWS_AS(wav.read(0, 100000, cancelled), Cancelled);
}

TEST_CASE("wav: sizes that a pipe left unfilled mean the end of the file, and are said") {
  const auto piped = [](uint32_t riff_size, uint32_t data_size, const std::string& data) {
    return "RIFF" + bytes_of(riff_size) + "WAVE" + kPcm16 + "data" + bytes_of(data_size) + data;
  };
  const std::string data = bytes_of(int16_t{16384}) + bytes_of(int16_t{8192});
  for (const auto& [of_riff, of_data] : {std::pair{0xffffffffu, 0xffffffffu}, std::pair{0u, 0u},
                                         std::pair{36u, 0u}, std::pair{0x7ffff024u, 0x7ffff000u}}) {
    CAPTURE(of_riff);
    const TemporaryFile file(piped(of_riff, of_data, data));
    const auto wav = audio::WavFile::open(file.path());
    SilentJob job;
    CHECK(wav.read(0, wav.header().frames, job) == std::vector<float>{0.5f, 0.25f});
    CHECK(wav.header().remark.find("never filled in") != std::string::npos);
  }
  const TemporaryFile cut(piped(0xffffffff, 0xffffffff, data + "x"));
  const auto header = audio::WavFile::open(cut.path()).header();
  CHECK(header.frames == 2);
  CHECK(header.remark.find("the last 1 bytes are part of one") != std::string::npos);
}

TEST_CASE("wav: a file of no samples is one of 0 samples, without a remark") {
  const TemporaryFile file(riff(kPcm16 + chunk("data", "")));
  CHECK(audio::WavFile::open(file.path()).header().frames == 0);
  CHECK(audio::WavFile::open(file.path()).header().remark.empty());
}

TEST_CASE("wav: RF64 has its size in a chunk of its own") {
  const std::string sizes =
      bytes_of(uint64_t{0}) + bytes_of(uint64_t{4}) + bytes_of(uint64_t{2}) + bytes_of(0u);
  const auto file = [&](const std::string& ds64) {
    return "RF64" + bytes_of(0xffffffffu) + "WAVE" + chunk("ds64", ds64) + kPcm16 + "data" +
           bytes_of(0xffffffffu) + bytes_of(int16_t{16384}) + bytes_of(int16_t{-16384}) +
           chunk("LIST", "behind");
  };
  CHECK(samples_of(file(sizes)) == std::vector<float>{0.5f, -0.5f});
  const auto lying =
      bytes_of(uint64_t{0}) + bytes_of(uint64_t{1} << 40) + bytes_of(uint64_t{2}) + bytes_of(0u);
  CHECK(reason_of(refusal_of(file(lying))) == "truncated");
}

TEST_CASE("wav: what is no such file, or contradicts itself, is refused by name with a reason") {
  const std::string data = data_of(int16_t{1}), sound = kPcm16 + data;
  const std::string whole = riff(sound);
  const auto with_format = [&](const std::string& content) { return riff(chunk("fmt ", content) + data); };
  auto wrong_frame = format(1, 1, 16000, 16);
  wrong_frame[12] = 4;
  std::string many;
  for (int i = 0; i < 1001; i++) many += chunk("junk", "");
  const std::string lying = "RIFF" + bytes_of(static_cast<uint32_t>(sound.size() + 4)) + "WAVE" + kPcm16 +
                            "data" + bytes_of(0x10000000u) + bytes_of(int16_t{1});
  const struct {
    std::string bytes, reason;
  } cases[] = {
      {"", "empty_file"},
      {"fLaC and more", "not_wav"},
      {"RIFX" + whole.substr(4), "not_wav"},
      {"RIFF", "not_wav"},
      {whole.substr(0, whole.size() - 1), "truncated"},
      {lying, "truncated"},
      {riff(data), "no_format"},
      {riff(kPcm16), "no_samples"},
      {riff(kPcm16 + kPcm16 + data), "format_twice"},
      {riff(chunk("fmt ", "short") + data), "format_size"},
      {with_format(format(1, 0, 16000, 16)), "channels"},
      {with_format(format(1, 1, 1, 16)), "rate"},
      {with_format(format(7, 1, 16000, 8)), "codec"},
      {with_format(format(1, 1, 16000, 12)), "codec"},
      {with_format(wrong_frame), "frame_size"},
      {riff(kPcm16 + chunk("data", "odd")), "part_of_a_sample"},
      {riff(many + sound), "chunks"},
  };
  for (const auto& [bytes, reason] : cases) {
    CAPTURE(reason);
    const auto error = refusal_of(bytes);
    CHECK(error.code() == "ERR_AUDIO");
    CHECK(reason_of(error) == reason);
    CHECK(error.message().find("tongueforge-wav-") != std::string::npos);
    CHECK_FALSE(error.hint().empty());
  }
  CHECK(refusal_of(with_format(format(7, 1, 16000, 8))).message().find("received mu-law") !=
        std::string::npos);
}

TEST_CASE("wav: a float that is no number is refused with its place") {
  const auto error = refusal_of(riff(chunk("fmt ", format(3, 1, 8000, 32)) + data_of(0.f, std::nanf(""))));
  CHECK(reason_of(error) == "not_finite");
  CHECK(error.message().find("sample 1: expected a number") != std::string::npos);
}

TEST_CASE("wav: every cut of a file is refused or read in part, and no size is believed") {
  const std::string whole = riff(chunk("LIST", "abc") + kPcm16 + data_of(int16_t{1}, int16_t{2}, int16_t{3}));
  for (size_t size = 0; size < whole.size(); size++) {
    CAPTURE(size);
    CHECK(refusal_of(whole.substr(0, size)).code() == "ERR_AUDIO");
  }
  // Every byte of the head in turn at its largest: an error with a code, or samples that the file has.
  for (size_t at = 0; at < whole.size(); at++) {
    CAPTURE(at);
    std::string changed = whole;
    changed[at] = '\xff';
    try {
      const size_t samples = samples_of(changed).size();
      CHECK(samples <= whole.size());
    } catch (const Error& error) { CHECK(error.code() == "ERR_AUDIO"); }
  }
}

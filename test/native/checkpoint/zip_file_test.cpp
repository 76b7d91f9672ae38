// Directories of zip files with 64-bit records, made byte by byte, and what is refused of them.
#include "checkpoint/zip_file.h"

#include "fixtures.h"
#include "made_torch.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using checkpoint::ZipEntry;

namespace {

constexpr uint64_t kElsewhere = 0xffffffff;  // in the zip64 field

std::vector<ZipEntry> read(const std::string& bytes) {
  const TempFolder folder;
  spill(folder / "a.zip", bytes);
  return checkpoint::read_zip_directory(checkpoint::PosixFile::open_read(folder / "a.zip"), bytes.size());
}

std::string reason(const std::string& bytes) {
  const Error error = caught([&] { read(bytes); });
  CHECK(error.code() == "ERR_PICKLE");
  return detail(error, "reason");
}

std::string field(uint64_t id, const std::string& data) {
  return little(id, 2) + little(data.size(), 2) + data;
}

/// One entry "x" with the data "abc", and its extra fields in the directory.
struct Parts {
  std::string data, directory;
};

Parts entry(uint64_t size, uint64_t local_size, const std::string& extra) {
  const std::string plain = little(0, 2 + 2 + 4) + little(checkpoint::crc32(0, "abc", 3), 4);
  const auto sizes = [](uint64_t one) { return little(one, 4) + little(one, 4); };
  return {
      little(0x04034b50, 4) + little(0, 2) + plain + sizes(local_size) + little(1, 2) + little(0, 2) + "xabc",
      little(0x02014b50, 4) + little(0, 4) + plain + sizes(size) + little(1, 2) + little(extra.size(), 2) +
          little(0, 2 + 2 + 2 + 4) + little(0, 4) + "x" + extra};
}

std::string whole(const Parts& parts) {
  return parts.data + parts.directory + zip_end(1, parts.directory.size(), parts.data.size());
}

/// The end records of 64 bits, and what they say.
struct End64 {
  uint64_t entries = 1, mark = 0x06064b50, size = 44, disk = 0, disks = 1;
  uint64_t small_entries = 0xffff, small_size = kElsewhere, small_offset = kElsewhere;
};

std::string whole(const Parts& parts, const End64& end) {
  const std::string before = parts.data + parts.directory;
  return before + little(end.mark, 4) + little(end.size, 8) + little(0, 4 + 8) + little(end.entries, 8) +
         little(end.entries, 8) + little(parts.directory.size(), 8) + little(parts.data.size(), 8) +
         little(0x07064b50, 4) + little(end.disk, 4) + little(before.size(), 8) + little(end.disks, 4) +
         zip_end(end.small_entries, end.small_size, end.small_offset);
}

}  // namespace

TEST_CASE("zip: sizes are taken from the zip64 field, wherever it stands among others") {
  const std::string sizes = field(1, little(3, 8) + little(3, 8));
  for (const std::string& extra : {sizes, field(0x9999, "other") + sizes, sizes + "x"}) {
    const auto entries = read(whole(entry(kElsewhere, kElsewhere, extra)));
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].name == "x");
    CHECK(entries[0].size == 3);
    CHECK(entries[0].offset == 31);
  }
}

TEST_CASE("zip: sizes that stand nowhere, or in a field that is cut, are refused") {
  const auto refused = [](const std::string& extra) { return reason(whole(entry(kElsewhere, 3, extra))); };
  CHECK(refused("") == "zip64_field");
  CHECK(refused("abc") == "zip64_field");
  CHECK(refused(field(0x9999, "abcdefghijklmnop")) == "zip64_field");
  CHECK(refused(field(1, little(3, 8))) == "zip64_field");
  CHECK(refused(little(1, 2) + little(16, 2) + little(3, 8)) == "zip64_field");
  CHECK(reason(whole(entry(kElsewhere, 3, field(1, little(3, 8) + little(4, 8))))) == "sizes_differ");
}

TEST_CASE("zip: both end records tell the same, or the small one leaves it to the large one") {
  const Parts parts = entry(3, 3, "");
  CHECK(read(whole(parts, {})).size() == 1);
  End64 end;
  end.small_entries = 1, end.small_size = parts.directory.size(), end.small_offset = parts.data.size();
  CHECK(read(whole(parts, end)).size() == 1);
  for (uint64_t End64::* const number : {&End64::small_entries, &End64::small_size, &End64::small_offset}) {
    End64 other;
    other.*number = 7;
    CHECK(reason(whole(parts, other)) == "end_records_differ");
  }
}

TEST_CASE("zip: 64-bit end records of another kind, of several parts or with too much are refused") {
  const Parts parts = entry(3, 3, "");
  const std::pair<uint64_t End64::*, std::pair<uint64_t, const char*>> cases[] = {
      {&End64::mark, {0, "end64_record"}},
      {&End64::size, {45, "end64_record"}},
      {&End64::disk, {1, "several_disks"}},
      {&End64::disks, {2, "several_disks"}},
      {&End64::entries, {200'001, "directory_too_large"}},
      {&End64::entries, {2, "directory_short"}},
      {&End64::entries, {0, "directory_long"}}};
  for (const auto& [number, wrong] : cases) {
    End64 end;
    end.*number = wrong.first;
    CHECK(reason(whole(parts, end)) == wrong.second);
  }
}

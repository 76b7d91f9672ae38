#include "checkpoint/zip_file.h"

#include <algorithm>
#include <string_view>

#include "checkpoint/json_text.h"
#include "checkpoint/pickle_refusal.h"
#include "checkpoint/safetensors_header.h"

namespace tongueforge::checkpoint {
namespace {

constexpr uint64_t kEndBytes = 22, kLocatorBytes = 20, kEnd64Bytes = 56, kEntryBytes = 46, kLocalBytes = 30;
constexpr uint32_t kEndMark = 0x06054b50, kLocatorMark = 0x07064b50, kEnd64Mark = 0x06064b50;
constexpr uint32_t kEntryMark = 0x02014b50, kLocalMark = 0x04034b50;
constexpr uint16_t kZip64Field = 1;
constexpr uint32_t kInZip64 = 0xffffffff;  // stands for a number that the zip64 field has
constexpr uint16_t kSizesBehind = 1 << 3, kNamesInUtf8 = 1 << 11;

/// Little-endian numbers of a record, by their place in it.
class Record {
 public:
  explicit Record(std::string_view bytes) : bytes_(bytes) {}
  uint16_t u16(size_t at) const { return static_cast<uint16_t>(number(at, 2)); }
  uint32_t u32(size_t at) const { return static_cast<uint32_t>(number(at, 4)); }
  uint64_t u64(size_t at) const { return number(at, 8); }

 private:
  uint64_t number(size_t at, size_t bytes) const {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; ++i)
      value |= static_cast<uint64_t>(static_cast<unsigned char>(bytes_[at + i])) << (8 * i);
    return value;
  }
  std::string_view bytes_;
};

/// Where the directory lies.
struct Directory {
  uint64_t offset = 0, size = 0, entries = 0;
};

/// An entry and where its local header begins.
struct Listed {
  ZipEntry entry;
  uint64_t header = 0;
  uint16_t flags = 0;
};

class Reader {
 public:
  Reader(const PosixFile& file, uint64_t size) : file_(file), size_(size) {}

  std::vector<ZipEntry> read() {
    const Directory directory = find_directory();
    std::vector<Listed> all = read_entries(directory);
    std::sort(all.begin(), all.end(), [](const Listed& a, const Listed& b) { return a.header < b.header; });
    uint64_t end = 0;
    std::vector<ZipEntry> entries;
    for (Listed& listed : all) {
      check_place(listed, end, directory.offset);
      end = listed.entry.offset + listed.entry.size;
      entries.push_back(std::move(listed.entry));
    }
    check_names(entries);
    return entries;
  }

 private:
  [[noreturn]] void refuse(uint64_t offset, const char* reason, const std::string& message) const {
    refuse_pickle(file_.path(), offset, {reason, message});
  }

  std::string bytes(uint64_t offset, uint64_t count) const {
    std::string out(count, '\0');
    file_.pread_exact(out.data(), out.size(), offset);
    return out;
  }

  Directory find_directory() const;
  Directory find_directory64(const Record& end, uint64_t locator_offset) const;
  void check_directory(const Directory& directory, uint64_t end) const;
  std::vector<Listed> read_entries(const Directory& directory) const;
  Listed read_entry(std::string_view rest, uint64_t offset) const;
  void read_zip64(std::string_view extra, uint64_t offset, Listed& listed, uint64_t& packed) const;
  void check_place(Listed& listed, uint64_t previous_end, uint64_t directory) const;
  void check_local(const Record& local, const Listed& listed) const;
  void check_names(const std::vector<ZipEntry>& entries) const;

  const PosixFile& file_;
  uint64_t size_;
};

Directory Reader::find_directory() const {
  if (size_ < kEndBytes)
    refuse(size_, "file_too_short", str("expected a zip file, received ", size_, " bytes"));
  const uint64_t offset = size_ - kEndBytes;
  const std::string text = bytes(offset, kEndBytes);
  const Record end(text);
  if (end.u32(0) != kEndMark || end.u16(20) != 0)
    refuse(offset, "no_end_record",
           "expected the end record of a zip file without a comment as the last 22 bytes");
  if (offset >= kLocatorBytes) {
    const uint64_t locator = offset - kLocatorBytes;
    if (Record(bytes(locator, 4)).u32(0) == kLocatorMark) return find_directory64(end, locator);
  }
  if (end.u16(4) != 0 || end.u16(6) != 0 || end.u16(8) != end.u16(10))
    refuse(offset, "several_disks", "expected a zip file of one part");
  const Directory directory = {end.u32(16), end.u32(12), end.u16(10)};
  check_directory(directory, offset);
  return directory;
}

Directory Reader::find_directory64(const Record& end, uint64_t locator_offset) const {
  const std::string locator_text = bytes(locator_offset, kLocatorBytes);
  const Record locator(locator_text);
  const uint64_t offset = locator.u64(8);
  if (locator.u32(4) != 0 || locator.u32(16) != 1)
    refuse(locator_offset, "several_disks", "expected a zip file of one part");
  if (locator_offset < kEnd64Bytes || offset != locator_offset - kEnd64Bytes)
    refuse(locator_offset, "end64_place", "expected the zip64 end record right before its locator");
  const std::string text = bytes(offset, kEnd64Bytes);
  const Record end64(text);
  if (end64.u32(0) != kEnd64Mark || end64.u64(4) != kEnd64Bytes - 12)
    refuse(offset, "end64_record", "expected a zip64 end record of 56 bytes");
  if (end64.u32(16) != 0 || end64.u32(20) != 0 || end64.u64(24) != end64.u64(32))
    refuse(offset, "several_disks", "expected a zip file of one part");
  const Directory directory = {end64.u64(48), end64.u64(40), end64.u64(32)};
  const auto differs = [](uint64_t small, uint64_t sentinel, uint64_t large) {
    return small != sentinel && small != large;
  };
  if (differs(end.u16(10), 0xffff, directory.entries) || differs(end.u32(12), kInZip64, directory.size) ||
      differs(end.u32(16), kInZip64, directory.offset))
    refuse(offset, "end_records_differ", "expected both end records to tell the same");
  check_directory(directory, offset);
  return directory;
}

void Reader::check_directory(const Directory& directory, uint64_t end) const {
  if (directory.size > kMaxZipDirectoryBytes || directory.entries > kMaxZipEntries)
    refuse(end, "directory_too_large",
           str("expected at most ", kMaxZipEntries, " entries in ", kMaxZipDirectoryBytes,
               " bytes, received ", directory.entries, " in ", directory.size));
  if (directory.size > end || directory.offset != end - directory.size)
    refuse(end, "directory_place", "expected the directory right before its end record");
}

std::vector<Listed> Reader::read_entries(const Directory& directory) const {
  const std::string text = bytes(directory.offset, directory.size);
  std::vector<Listed> all;
  size_t at = 0;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    const std::string_view rest = std::string_view(text).substr(at);
    const uint64_t offset = directory.offset + at;
    if (rest.size() < kEntryBytes)
      refuse(offset, "directory_short", "expected another entry of the directory");
    const Record record(rest);
    const size_t length = kEntryBytes + record.u16(28) + record.u16(30) + record.u16(32);
    if (rest.size() < length) refuse(offset, "directory_short", "expected the whole of an entry");
    all.push_back(read_entry(rest.substr(0, length), offset));
    at += length;
  }
  if (at != text.size())
    refuse(directory.offset + at, "directory_long",
           str("expected ", directory.entries, " entries and no more"));
  return all;
}

Listed Reader::read_entry(std::string_view bytes, uint64_t offset) const {
  const Record record(bytes);
  if (record.u32(0) != kEntryMark) refuse(offset, "no_entry", "expected an entry of the directory");
  Listed listed;
  listed.flags = record.u16(8);
  listed.entry = {std::string(bytes.substr(kEntryBytes, record.u16(28))), 0, record.u32(24), record.u32(16)};
  listed.header = record.u32(42);
  uint64_t packed = record.u32(20);
  const std::string shown = printable(listed.entry.name);
  if (const char* reason = refusal_of_name(listed.entry.name))
    refuse(offset, reason, str("expected the name of an entry, received \"", shown, "\""));
  if ((listed.flags & ~(kSizesBehind | kNamesInUtf8)) != 0)
    refuse(offset, "flags", str(shown, ": expected a plain entry, received flags ", listed.flags));
  if (record.u16(10) != 0)
    refuse(offset, "compressed",
           str(shown, ": expected a stored entry, as torch.save writes them, received one ",
               "compressed by method ", record.u16(10)));
  if (record.u16(34) != 0) refuse(offset, "several_disks", "expected a zip file of one part");
  read_zip64(bytes.substr(kEntryBytes + record.u16(28), record.u16(30)), offset, listed, packed);
  if (packed != listed.entry.size)
    refuse(
        offset, "sizes_differ",
        str(shown, ": expected one size for a stored entry, received ", packed, " and ", listed.entry.size));
  return listed;
}

/// Takes the numbers that did not fit the entry itself out of its zip64 field.
void Reader::read_zip64(std::string_view extra, uint64_t offset, Listed& listed, uint64_t& packed) const {
  std::vector<uint64_t*> wanted;
  for (uint64_t* number : {&listed.entry.size, &packed, &listed.header})
    if (*number == kInZip64) wanted.push_back(number);
  if (wanted.empty()) return;
  while (extra.size() >= 4) {
    const Record field(extra);
    const size_t length = field.u16(2);
    if (extra.size() - 4 < length) break;
    if (field.u16(0) == kZip64Field && length >= 8 * wanted.size()) {
      for (size_t i = 0; i < wanted.size(); ++i) *wanted[i] = field.u64(4 + 8 * i);
      return;
    }
    extra.remove_prefix(4 + length);
  }
  refuse(offset, "zip64_field", str(printable(listed.entry.name), ": expected its sizes in a zip64 field"));
}

/// Reads the local header, which says where the data begins, and checks that it lies behind the entry before
/// it.
void Reader::check_place(Listed& listed, uint64_t previous_end, uint64_t directory) const {
  ZipEntry& entry = listed.entry;
  const std::string shown = printable(entry.name);
  if (previous_end == 0 && listed.header != 0)
    refuse(0, "bytes_before", "expected the first entry at the beginning of the file");
  if (listed.header < previous_end)
    refuse(listed.header, "overlap", str(shown, ": expected entries that do not overlap"));
  const uint64_t head = kLocalBytes + entry.name.size();
  if (listed.header > directory || directory - listed.header < head)
    refuse(listed.header, "entry_past_end", str(shown, ": expected an entry before the directory"));
  const std::string text = bytes(listed.header, head);
  const Record local(text);
  check_local(local, listed);
  if (std::string_view(text).substr(kLocalBytes) != entry.name)
    refuse(listed.header, "names_differ",
           str(shown, ": expected the same name in the directory and before the data"));
  entry.offset = listed.header + head + local.u16(28);
  if (entry.offset > directory || entry.size > directory - entry.offset)
    refuse(listed.header, "entry_past_end",
           str(shown, ": expected ", entry.size, " bytes before the directory, received ",
               directory - std::min(entry.offset, directory)));
}

void Reader::check_local(const Record& local, const Listed& listed) const {
  const std::string shown = printable(listed.entry.name);
  if (local.u32(0) != kLocalMark)
    refuse(listed.header, "no_local_header", str(shown, ": expected a local header"));
  if (local.u16(6) != listed.flags || local.u16(8) != 0 || local.u16(26) != listed.entry.name.size())
    refuse(listed.header, "headers_differ",
           str(shown, ": expected a local header like the entry of the directory"));
  if ((listed.flags & kSizesBehind) != 0) return;  // sum and sizes stand behind the data, too
  for (const uint32_t size : {local.u32(18), local.u32(22)})
    if (size != kInZip64 && size != listed.entry.size)
      refuse(listed.header, "headers_differ",
             str(shown, ": expected a local header like the entry of the directory"));
}

void Reader::check_names(const std::vector<ZipEntry>& entries) const {
  std::vector<std::string_view> names;
  for (const ZipEntry& entry : entries) names.push_back(entry.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) refuse(0, "name_twice", str(printable(*twice), ": expected every name once"));
}

}  // namespace

std::vector<ZipEntry> read_zip_directory(const PosixFile& file, uint64_t size) {
  return Reader(file, size).read();
}

}  // namespace tongueforge::checkpoint

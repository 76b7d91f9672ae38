// The directory of a zip file, strictly: what torch.save writes, and nothing that could mean two things.
// Format: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3 (zip64).
//
// Refused, among others: compressed or encrypted entries (no entry can grow beyond the file), several disks,
// a comment or other bytes behind the end, bytes before the first entry, entries that overlap, lie outside of
// the file or are named twice, local headers that contradict the directory, and names that climb out of a
// folder.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/posix_file.h"

namespace tongueforge::checkpoint {

/// More entries than any checkpoint has tensors, and as many bytes of directory.
inline constexpr uint64_t kMaxZipEntries = 200'000;
inline constexpr uint64_t kMaxZipDirectoryBytes = 16 << 20;

/// A stored file: bytes [offset, offset + size) of the archive.
struct ZipEntry {
  std::string name;
  uint64_t offset = 0, size = 0;
  uint32_t crc32 = 0;  // as the directory has it; nothing of the data has been read
};

/// All entries, in the order of the data. `size` is the file's.
/// @throws ERR_PICKLE {file, offset, reason, entry?}, ERR_IO
std::vector<ZipEntry> read_zip_directory(const PosixFile& file, uint64_t size);

}  // namespace tongueforge::checkpoint

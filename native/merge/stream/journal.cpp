#include "merge/stream/journal.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "core/error.h"

namespace tongueforge::merge {
namespace {

using checkpoint::PosixFile;

constexpr std::string_view kMagic = "tongueforge merge journal 1\n";
constexpr uint32_t kMark = UINT32_MAX;  // instead of the number of a chunk
constexpr uint64_t kMaxBytes = uint64_t{1} << 32;

uint64_t hash(std::string_view bytes) {  // FNV-1a: against torn writes, not against people
  uint64_t value = 14695981039346656037u;
  for (const char c : bytes) value = (value ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return value;
}

template <class T>
std::string_view bytes_of(const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// All of it is hashed: no padding may lie between its parts.
struct Note {
  uint64_t check = 0;  // of what follows
  uint64_t boot = 0;
  uint64_t chunk = 0;
  uint64_t covered = 0;  // by a mark: so many notes of chunks from the beginning
  PieceSums sums;

  uint64_t computed_check() const { return hash(bytes_of(*this).substr(sizeof check)); }
};
static_assert(sizeof(Note) == 14 * 8);

uint64_t read_boot() {
  try {
    // Its size is unknown before it is read: proc says 0.
    const PosixFile file = PosixFile::open_read("/proc/sys/kernel/random/boot_id");
    char text[36];
    file.pread_exact(text, sizeof text, 0);
    return hash({text, sizeof text});
  } catch (const Error&) { return 0; }
}

std::string head_of(const std::string& identity) {
  std::string head(kMagic);
  head += bytes_of(uint64_t{identity.size()});
  head += identity;
  head += bytes_of(hash(identity));
  return head;
}

}  // namespace

uint64_t this_boot() {
  static const uint64_t boot = read_boot();
  return boot;
}

Journal Journal::create(const std::string& path, const std::string& identity, uint64_t boot) {
  const std::string head = head_of(identity);
  PosixFile file = PosixFile::create(path);
  file.pwrite_exact(head.data(), head.size(), 0);
  return {std::move(file), head.size(), boot};
}

std::optional<Journal> Journal::reopen(const std::string& path, const std::string& identity, uint64_t boot) {
  std::string bytes;
  try {
    bytes = checkpoint::read_file(path, kMaxBytes);
  } catch (const Error& error) {
    if (error.code() == "ERR_NOT_FOUND") return std::nullopt;
    throw;
  }
  const std::string head = head_of(identity);
  if (!bytes.starts_with(head)) return std::nullopt;
  Journal journal(PosixFile::open_write(path), head.size(), boot);
  journal.read_notes(bytes);
  return journal;
}

// Notes that no mark covers are believed only in the boot that they were made in.
void Journal::read_notes(const std::string& bytes) {
  uint64_t covered = 0, end = end_, boot = 0;
  for (Note note; end + sizeof note <= bytes.size(); end += sizeof note) {
    std::memcpy(&note, bytes.data() + end, sizeof note);
    if (note.check != note.computed_check()) break;
    boot = note.boot;
    if (note.chunk == kMark) {
      covered = note.covered;
    } else {
      finished_.push_back({static_cast<uint32_t>(note.chunk), note.sums});
    }
  }
  if (boot == boot_ && boot != 0) {
    num_notes_ = finished_.size();
    end_ = end;
    return;
  }
  finished_.resize(std::min<size_t>(covered, finished_.size()));
  for (const FinishedChunk& finished : finished_) add(finished);
  mark_synced(num_notes_);
  sync();
}

void Journal::add(const FinishedChunk& finished) {
  append(finished.chunk, 0, finished.sums);
  ++num_notes_;
}

void Journal::mark_synced(uint64_t num_notes) { append(kMark, num_notes, {}); }

void Journal::append(uint32_t chunk, uint64_t covered, const PieceSums& sums) {
  Note note{0, boot_, chunk, covered, sums};
  note.check = note.computed_check();
  file_.pwrite_exact(&note, sizeof note, end_);
  end_ += sizeof note;
}

}  // namespace tongueforge::merge

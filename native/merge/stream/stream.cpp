#include "merge/stream/stream.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "checkpoint/model_weights.h"
#include "checkpoint/publish.h"
#include "checkpoint/shard_index.h"
#include "core/parts.h"
#include "merge/stream/chunks.h"
#include "merge/stream/journal.h"
#include "merge/stream/leftovers.h"
#include "merge/stream/memory_gate.h"

namespace fs = std::filesystem;

namespace tongueforge::merge {
namespace {

using checkpoint::PosixFile;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kSyncBytes = 512 * kMiB;  // written between two marks of the journal
constexpr uint64_t kWriteBytes = 32 * kMiB;  // at once: between two looks at the job

size_t threads_of(const StreamOptions& options) {
  if (options.num_threads > 0) return options.num_threads;
  // One more than can compute: someone always waits for the disk.
  return std::clamp<size_t>(std::thread::hardware_concurrency() + 1, 3, 9);
}

/// The caller's, and the layout of the output.
std::string identity_of(const OutputModel& model, const StreamOptions& options) {
  std::string identity = str(options.identity, "\nchunks of ", options.chunk_bytes, '\n');
  for (const StreamFile& file : model.files)
    identity += str(file.name, ' ', file.size, ' ', std::hash<std::string>()(file.header), '\n');
  return identity;
}

class StreamRun {
 public:
  StreamRun(const OutputModel& model, const std::string& folder, const StreamOptions& options, Job& job)
      : model_(model),
        folder_(folder),
        options_(options),
        job_(job),
        identity_(identity_of(model, options)),
        total_bytes_(options.bytes_to_read + model.bytes_to_write()),
        chunks_(cut_into_chunks(model, options.chunk_bytes)),
        sums_(chunks_.size()),
        done_(chunks_.size()),
        outputs_(model.files.size()) {
    for (const StreamFile& file : model.files) prepared_.emplace_back(file.pieces.size());
    for (const Chunk& chunk : chunks_) ++outputs_[chunk.file].chunks_left;
  }

  StreamReport run() {
    remove_leftovers(model_, folder_);
    if (!resume()) begin();
    const size_t num_threads = threads_of(options_);
    for_each_part(num_threads, num_threads, [this](size_t, size_t, size_t) { work(); });
    job_.check();
    finish();
    return report();
  }

 private:
  struct Output {
    std::optional<PosixFile> file;
    uint64_t chunks_left = 0;
    bool dirty = false;  // has data that no mark covers
  };
  struct Prepared {
    std::once_flag once;
    PieceSums sums;
  };

  std::string path_of(const std::string& name) const { return (fs::path(folder_) / name).string(); }

  // ---- files and journal ----

  bool resume() {
    if (!outputs_are_there()) return false;
    journal_ = Journal::reopen(path_of(checkpoint::kJournalName), identity_);
    if (!journal_) return false;
    for (size_t i = 0; i < outputs_.size(); ++i) {
      outputs_[i].file = PosixFile::open_write(path_of(model_.files[i].name));
      write_header(i);  // once more: no note says that it came to the disk
    }
    for (const auto& [chunk, sums] : journal_->finished()) {
      if (chunk >= chunks_.size() || done_[chunk]) continue;
      done_[chunk] = true;
      sums_[chunk] = sums;
      --outputs_[chunks_[chunk].file].chunks_left;
      resumed_ += chunks_[chunk].size();
      count(chunks_[chunk].size(), sums.bytes_read);
    }
    return true;
  }

  bool outputs_are_there() const {
    return std::all_of(model_.files.begin(), model_.files.end(), [this](const StreamFile& file) {
      std::error_code error;
      return fs::file_size(path_of(file.name), error) == file.size && !error;
    });
  }

  // The journal comes last: where there is one, the files it speaks of are there in their full size.
  void begin() {
    std::error_code ignored;
    fs::remove(path_of(checkpoint::kJournalName), ignored);
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const StreamFile& file = model_.files[i];
      fs::remove(path_of(file.name), ignored);
      outputs_[i].file = PosixFile::create(path_of(file.name));
      outputs_[i].file->preallocate(file.size);
      write_header(i);
    }
    journal_ = Journal::create(path_of(checkpoint::kJournalName), identity_);
  }

  void write_header(size_t i) {
    const std::string& header = model_.files[i].header;
    outputs_[i].file->pwrite_exact(header.data(), header.size(), 0);
    outputs_[i].dirty = true;
    count(header.size(), 0);
  }

  void finish() {
    sync(journal_->num_notes());
    for (Output& output : outputs_) output.file->close();
    std::error_code ignored;
    fs::remove(path_of(checkpoint::kIndexFileName), ignored);
    if (!model_.index_json.empty())
      checkpoint::write_file(path_of(checkpoint::kIndexFileName), model_.index_json);
    tell(total_bytes_);
  }

  // ---- on the threads ----

  void work() {
    Workspace workspace(job_), written(job_);
    for (size_t i; (i = next_++) < chunks_.size() && !stop_;) {
      if (done_[i]) continue;
      try {
        make(i, workspace, written);
      } catch (...) {
        stop_ = true;
        throw;
      }
    }
  }

  void make(size_t i, Workspace& workspace, Workspace& written) {
    const Chunk& chunk = chunks_[i];
    const PlacedPiece& placed = model_.files[chunk.file].pieces[chunk.piece];
    {
      const MemoryGate::Pass pass(gate_, chunk.size() + placed.piece->workspace_bytes(chunk.size()));
      job_.check();
      prepare(chunk, *placed.piece, workspace);
      char* const out = written.buffer(0, chunk.size());
      placed.piece->produce(chunk.begin, chunk.end, out, workspace, sums_[i]);
      write(chunk, placed.at, out);
      for (Workspace* each : {&workspace, &written}) each->shrink(kKeptBytes);
    }
    note(i);
  }

  void prepare(const Chunk& chunk, Piece& piece, Workspace& workspace) {
    Prepared& prepared = prepared_[chunk.file][chunk.piece];
    std::call_once(prepared.once, [&] {
      piece.prepare(workspace, prepared.sums);
      std::lock_guard lock(mutex_);
      count(0, prepared.sums.bytes_read);
    });
  }

  void write(const Chunk& chunk, uint64_t at, const char* out) {
    PosixFile& file = *outputs_[chunk.file].file;
    for (uint64_t offset = 0; offset < chunk.size(); offset += kWriteBytes) {
      job_.check();
      const uint64_t part = std::min(kWriteBytes, chunk.size() - offset), place = at + chunk.begin + offset;
      file.pwrite_exact(out + offset, part, place);
      file.start_writeback(place, part);
    }
  }

  /// The chunk is done: journal, progress, and now and then the disk.
  void note(size_t i) {
    const Chunk& chunk = chunks_[i];
    uint64_t num_notes = 0;
    bool sync_now = false;
    {
      std::lock_guard lock(mutex_);
      journal_->add({static_cast<uint32_t>(i), sums_[i]});
      num_notes = journal_->num_notes();
      Output& output = outputs_[chunk.file];
      output.dirty = true;
      unsynced_ += chunk.size();
      if (--output.chunks_left == 0 || unsynced_ >= kSyncBytes) sync_now = true, unsynced_ = 0;
      count(chunk.size(), sums_[i].bytes_read);
    }
    if (sync_now) sync(num_notes);
  }

  /// Brings to the disk what the first notes speak of. Others go on writing meanwhile.
  void sync(uint64_t num_notes) {
    std::lock_guard one(sync_mutex_);
    for (Output& output : outputs_) {
      {
        std::lock_guard lock(mutex_);
        if (!output.dirty) continue;
        output.dirty = false;
      }
      or_end_journal([&] { output.file->sync(); });
    }
    std::lock_guard lock(mutex_);
    journal_->mark_synced(num_notes);
    or_end_journal([&] { journal_->sync(); });
  }

  // After a failed sync the kernel has dropped the data: what the journal notes may not be there.
  template <class Sync>
  void or_end_journal(const Sync& sync) {
    try {
      sync();
    } catch (...) {
      std::error_code ignored;
      fs::remove(path_of(checkpoint::kJournalName), ignored);
      throw;
    }
  }

  // ---- progress and report ----

  void count(uint64_t written, uint64_t read) {
    bytes_done_ += written + read;
    // What is read may be less or more than was foreseen: a selection looks again where entries are equal.
    tell(std::min(bytes_done_, total_bytes_));
  }

  void tell(uint64_t done) { job_.progress(Value::Map{{"done_bytes", done}, {"total_bytes", total_bytes_}}); }

  StreamReport report() const {
    StreamReport report;
    report.bytes_written = model_.bytes_to_write();
    report.bytes_resumed = resumed_;
    for (const StreamFile& file : model_.files) report.sums.emplace_back(file.pieces.size());
    for (size_t file = 0; file < prepared_.size(); ++file)
      for (size_t piece = 0; piece < prepared_[file].size(); ++piece)
        report.sums[file][piece].add(prepared_[file][piece].sums);
    // In the order of the chunks, whatever the order in which they were made: the same sums to the last bit.
    for (size_t i = 0; i < chunks_.size(); ++i) report.sums[chunks_[i].file][chunks_[i].piece].add(sums_[i]);
    for (const auto& pieces : report.sums)
      for (const PieceSums& sums : pieces) report.bytes_read += sums.bytes_read;
    return report;
  }

  const OutputModel& model_;
  const std::string& folder_;
  const StreamOptions& options_;
  Job& job_;
  const std::string identity_;
  const uint64_t total_bytes_;
  const std::vector<Chunk> chunks_;
  std::vector<PieceSums> sums_;  // of each chunk
  std::vector<char> done_;       // by an earlier run
  std::vector<std::deque<Prepared>> prepared_;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> stop_ = false;
  MemoryGate gate_{kMemoryBytes};
  std::mutex sync_mutex_;
  std::mutex mutex_;  // guards what follows
  std::vector<Output> outputs_;
  std::optional<Journal> journal_;
  uint64_t unsynced_ = 0, bytes_done_ = 0, resumed_ = 0;
};

}  // namespace

uint64_t OutputModel::bytes_to_write() const {
  uint64_t total = index_json.size();
  for (const StreamFile& file : files) total += file.size;
  return total;
}

uint64_t peak_memory_bytes(const OutputModel& model, const StreamOptions& options) {
  const std::vector<Chunk> chunks = cut_into_chunks(model, options.chunk_bytes);
  uint64_t largest = 0;
  for (const Chunk& chunk : chunks) {
    const Piece& piece = *model.files[chunk.file].pieces[chunk.piece].piece;
    largest = std::max(largest, chunk.size() + piece.workspace_bytes(chunk.size()));
  }
  const uint64_t threads = std::clamp<uint64_t>(threads_of(options), 1, std::max<size_t>(1, chunks.size()));
  const uint64_t kept = std::min(largest, 2 * kKeptBytes);
  return std::max(largest, std::min(kMemoryBytes, threads * largest)) + (threads - 1) * kept;
}

StreamReport stream(const OutputModel& model, const std::string& folder, const StreamOptions& options,
                    Job& job) {
  return StreamRun(model, folder, options, job).run();
}

}  // namespace tongueforge::merge

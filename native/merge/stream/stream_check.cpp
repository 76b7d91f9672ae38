// The engine run backwards: chunks of a finished output against what its inputs give.
#include <algorithm>
#include <cstring>
#include <deque>
#include <filesystem>
#include <mutex>
#include <numeric>
#include <random>
#include <tuple>

#include "checkpoint/model_weights.h"
#include "checkpoint/shard_index.h"
#include "core/parts.h"
#include "merge/stream/chunks.h"
#include "merge/stream/memory_gate.h"
#include "merge/stream/stream.h"

namespace fs = std::filesystem;

namespace tongueforge::merge {
namespace {

using checkpoint::PosixFile;

class StreamChecking {
 public:
  StreamChecking(const OutputModel& model, const std::string& folder, const StreamOptions& options, Job& job)
      : model_(model), folder_(folder), job_(job), chunks_(cut_into_chunks(model, options.chunk_bytes)) {
    check_.num_chunks = chunks_.size();
    for (const StreamFile& file : model.files) prepared_.emplace_back(file.pieces.size());
  }

  StreamCheck run(uint64_t max_chunks, uint64_t seed, size_t num_threads) {
    if (model_.index_json != read_text(checkpoint::kIndexFileName))
      check_.mismatches.push_back({checkpoint::kIndexFileName, "", 0});
    for (const StreamFile& file : model_.files) open(file);
    const auto drawn = draw(max_chunks, seed);
    for (const size_t i : drawn) total_bytes_ += chunks_[i].size();
    for_each_part(num_threads, drawn.size(), [&](size_t, size_t begin, size_t end) {
      Workspace workspace(job_), buffers(job_);
      for (size_t at = begin; at < end; ++at) compare(chunks_[drawn[at]], workspace, buffers);
    });
    std::sort(check_.mismatches.begin(), check_.mismatches.end(), [](const Mismatch& a, const Mismatch& b) {
      return std::tie(a.file, a.offset) < std::tie(b.file, b.offset);
    });
    return std::move(check_);
  }

 private:
  std::string path_of(const std::string& name) const { return (fs::path(folder_) / name).string(); }

  std::string read_text(const std::string& name) const {
    if (!fs::exists(path_of(name))) return {};
    return checkpoint::read_file(path_of(name), checkpoint::kMaxIndexBytes);
  }

  // Header and size; a file of another layout is one mismatch, and its chunks are not looked at.
  void open(const StreamFile& file) {
    files_.push_back(PosixFile::open_read(path_of(file.name)));
    std::string header(file.header.size(), '\0');
    const bool same_size = files_.back().stamp().size == file.size;
    if (same_size) files_.back().pread_exact(header.data(), header.size(), 0);
    comparable_.push_back(same_size && header == file.header);
    if (!comparable_.back()) check_.mismatches.push_back({file.name, "", 0});
  }

  std::vector<size_t> draw(uint64_t max_chunks, uint64_t seed) const {
    std::vector<size_t> all;
    for (size_t i = 0; i < chunks_.size(); ++i)
      if (comparable_[chunks_[i].file]) all.push_back(i);
    std::vector<size_t> drawn;
    std::mt19937_64 random(seed);
    std::sample(all.begin(), all.end(), std::back_inserter(drawn), max_chunks, random);
    return drawn;
  }

  void compare(const Chunk& chunk, Workspace& workspace, Workspace& buffers) {
    job_.check();
    const PlacedPiece& placed = model_.files[chunk.file].pieces[chunk.piece];
    const MemoryGate::Pass pass(gate_, 2 * chunk.size() + placed.piece->workspace_bytes(chunk.size()));
    PieceSums ignored;
    std::call_once(prepared_[chunk.file][chunk.piece], [&] { placed.piece->prepare(workspace, ignored); });
    char *const expected = buffers.buffer(0, chunk.size()), *const received = buffers.buffer(1, chunk.size());
    placed.piece->produce(chunk.begin, chunk.end, expected, workspace, ignored);
    files_[chunk.file].pread_exact(received, chunk.size(), placed.at + chunk.begin);
    const char* const difference = std::mismatch(expected, expected + chunk.size(), received).first;
    note(chunk, static_cast<uint64_t>(difference - expected));
    for (Workspace* each : {&workspace, &buffers}) each->shrink(kKeptBytes);
  }

  /// The chunk was compared; `equal` of its bytes are as they should be, from its beginning.
  void note(const Chunk& chunk, uint64_t equal) {
    std::lock_guard lock(mutex_);
    check_.chunks_checked += 1;
    check_.bytes_checked += chunk.size();
    if (equal < chunk.size()) {
      const StreamFile& file = model_.files[chunk.file];
      const PlacedPiece& placed = file.pieces[chunk.piece];
      check_.mismatches.push_back({file.name, placed.name, placed.at + chunk.begin + equal});
    }
    job_.progress(Value::Map{{"done_bytes", check_.bytes_checked}, {"total_bytes", total_bytes_}});
  }

  const OutputModel& model_;
  const std::string& folder_;
  Job& job_;
  const std::vector<Chunk> chunks_;
  std::vector<std::deque<std::once_flag>> prepared_;
  std::vector<PosixFile> files_;
  std::vector<bool> comparable_;
  uint64_t total_bytes_ = 0;
  MemoryGate gate_{kMemoryBytes};
  std::mutex mutex_;  // guards what follows
  StreamCheck check_;
};

}  // namespace

Value to_value(const StreamCheck& check) {
  Value::List mismatches;
  for (const Mismatch& mismatch : check.mismatches)
    mismatches.push_back(
        Value::Map{{"file", mismatch.file}, {"tensor", mismatch.tensor}, {"offset", mismatch.offset}});
  return Value::Map{{"chunks", check.num_chunks},
                    {"chunks_checked", check.chunks_checked},
                    {"bytes_checked", check.bytes_checked},
                    {"mismatches", std::move(mismatches)}};
}

StreamCheck check_stream(const OutputModel& model, const std::string& folder, uint64_t max_chunks,
                         uint64_t seed, const StreamOptions& options, Job& job) {
  const size_t num_threads = options.num_threads > 0 ? options.num_threads : 2;
  return StreamChecking(model, folder, options, job).run(max_chunks, seed, num_threads);
}

}  // namespace tongueforge::merge

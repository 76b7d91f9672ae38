// The engine: every byte in its place, whatever threads, chunks, cancellations and earlier runs.
#include "merge/stream/stream.h"

#include <atomic>
#include <cstring>

#include "../../checkpoint/fixtures.h"
#include "checkpoint/publish.h"
#include "merge/stream/journal.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using merge::OutputModel;
using merge::Piece;
namespace fs = std::filesystem;

namespace {

/// Bytes that are known from their place; counts how often it is asked.
class Pattern final : public Piece {
 public:
  Pattern(uint64_t size, uint64_t granule, unsigned salt, std::atomic<int>* produced)
      : size_(size), granule_(granule), salt_(salt), produced_(produced) {}

  static char byte(uint64_t at, unsigned salt) { return static_cast<char>((at * 31 + salt) >> 2); }

  uint64_t num_bytes() const override { return size_; }
  uint64_t granule() const override { return granule_; }
  uint64_t workspace_bytes(uint64_t) const override { return granule_ == size_ ? uint64_t{1} << 29 : 0; }
  void prepare(merge::Workspace&, merge::PieceSums& sums) override {
    ++times_prepared_;
    sums.bytes_read += 1000;
  }
  void produce(uint64_t begin, uint64_t end, char* out, merge::Workspace&,
               merge::PieceSums& sums) const override {
    if (times_prepared_ != 1 || begin % granule_ != 0) throw Error("ERR_INTERNAL", "prepared or cut wrongly");
    for (uint64_t at = begin; at < end; ++at) out[at - begin] = byte(at, salt_);
    sums.bytes_read += end - begin;
    sums.graft.delta_squared += 1.0 / static_cast<double>(begin + 3);  // depends on the order of its addition
    if (produced_) ++*produced_;
  }

 private:
  uint64_t size_, granule_;
  unsigned salt_;
  std::atomic<int>* produced_;
  std::atomic<int> times_prepared_ = 0;
};

struct Size {
  uint64_t bytes, granule;
};

OutputModel model_of(const std::vector<std::vector<Size>>& files, std::atomic<int>* produced = nullptr) {
  OutputModel model;
  unsigned salt = 0;
  for (const auto& sizes : files) {
    merge::StreamFile file{str("file-", model.files.size()), "header" + std::to_string(salt), 0, {}};
    file.size = file.header.size();
    for (const auto& [bytes, granule] : sizes) {
      file.pieces.push_back(
          {str("t", salt), file.size, std::make_unique<Pattern>(bytes, granule, salt, produced)});
      file.size += bytes;
      ++salt;
    }
    model.files.push_back(std::move(file));
  }
  return model;
}

std::string expected_file(const OutputModel& model, size_t file, unsigned salt) {
  std::string bytes = model.files[file].header;
  for (const auto& placed : model.files[file].pieces) {
    for (uint64_t at = 0; at < placed.piece->num_bytes(); ++at) bytes += Pattern::byte(at, salt);
    ++salt;
  }
  return bytes;
}

const std::vector<std::vector<Size>> kSizes = {
    {{5000, 4}, {3000, 3000}, {0, 1}}, {{7, 1}}, {{10000, 100}, {1, 1}, {64, 64}}};

void check_whole(const std::string& folder) {
  const OutputModel model = model_of(kSizes);
  unsigned salt = 0;
  for (size_t file = 0; file < kSizes.size(); ++file) {
    CHECK(slurp(folder + str("/file-", file)) == expected_file(model, file, salt));
    salt += static_cast<unsigned>(kSizes[file].size());
  }
}

merge::StreamOptions options_of(size_t threads, uint64_t chunk) {
  merge::StreamOptions options;
  options.identity = "test";
  options.num_threads = threads;
  options.chunk_bytes = chunk;
  return options;
}

/// Says yes once it was asked often enough; counts from all threads.
class CancelAfterChecks final : public Job {
 public:
  explicit CancelAfterChecks(int checks) : left_(checks) {}
  bool cancelled() const override { return --left_ < 0; }
  void progress(Value) override {}
  void emit(Value) override {}

 private:
  mutable std::atomic<int> left_;
};

double total(const merge::StreamReport& report) {
  double sum = 0;
  for (const auto& pieces : report.sums)
    for (const auto& sums : pieces) sum = sum * 3 + sums.graft.delta_squared;
  return sum;
}

}  // namespace

TEST_CASE("every byte comes to its place, for all numbers of threads and sizes of chunks") {
  for (const size_t threads : {1, 2, 5}) {
    for (const uint64_t chunk : {1, 64, 1000, 1 << 20}) {
      const TempFolder folder;
      SilentJob job;
      OutputModel model = model_of(kSizes);
      model.index_json = "{}";
      const auto report = merge::stream(model, folder.path(), options_of(threads, chunk), job);
      check_whole(folder.path());
      CHECK(slurp(folder / "model.safetensors.index.json") == "{}");
      CHECK(report.bytes_written == model.bytes_to_write());
      CHECK(report.bytes_resumed == 0);
      CHECK(report.bytes_read ==
            18072 + 6 * 1000);  // of each byte, and of each preparation (not of an empty tensor)
    }
  }
}

TEST_CASE("sums are added in the order of the data, whatever the threads") {
  const TempFolder folder;
  SilentJob job;
  std::vector<double> totals;
  for (const size_t threads : {1, 4, 9}) {
    fs::create_directory(folder / std::to_string(threads));
    totals.push_back(total(
        merge::stream(model_of(kSizes), folder / std::to_string(threads), options_of(threads, 64), job)));
  }
  CHECK(totals[0] == totals[1]);
  CHECK(totals[0] == totals[2]);
}

TEST_CASE("a run that was stopped anywhere goes on to the same bytes and sums") {
  SilentJob silent;
  const TempFolder whole;
  const double expected = total(merge::stream(model_of(kSizes), whole.path(), options_of(2, 64), silent));
  int resumed = 0;
  for (int checks = 0; checks < 700; checks += 1 + checks / 10) {
    const TempFolder folder;
    CancelAfterChecks stopped(checks), again(checks / 2);
    std::atomic<int> produced = 0;
    const auto attempt = [&](Job& job) {
      try {
        merge::stream(model_of(kSizes, &produced), folder.path(), options_of(2, 64), job);
      } catch (const Cancelled&) {}
    };
    attempt(stopped), attempt(again);
    const int before = produced;
    const auto report = merge::stream(model_of(kSizes, &produced), folder.path(), options_of(2, 64), silent);
    check_whole(folder.path());
    CHECK(total(report) == expected);
    resumed += report.bytes_resumed > 0;
    // What was noted is not made again: at most the chunks under way of two runs and two threads are.
    const merge::StreamCheck chunks =
        merge::check_stream(model_of(kSizes), folder.path(), 1000, 0, options_of(1, 64), silent);
    CHECK(produced <= static_cast<int>(chunks.num_chunks) + 4);
    CHECK(before <= produced);
    CHECK(chunks.mismatches.empty());
  }
  CHECK(resumed > 5);
}

TEST_CASE(
    "a journal of other work, of other files or torn at its end is not followed further than it is whole") {
  SilentJob silent;
  const auto leave = [](const TempFolder& folder) {
    CancelAfterChecks stopped(300);
    try {
      merge::stream(model_of(kSizes), folder.path(), options_of(1, 64), stopped);
    } catch (const Cancelled&) {}
    REQUIRE(fs::exists(folder / checkpoint::kJournalName));
  };
  const auto resumed = [&](const TempFolder& folder, const merge::StreamOptions& options) {
    const uint64_t bytes = merge::stream(model_of(kSizes), folder.path(), options, silent).bytes_resumed;
    check_whole(folder.path());
    return bytes;
  };
  const TempFolder same, other, chunked, torn, flipped, missing, short_file;
  leave(same), leave(other), leave(chunked), leave(torn), leave(flipped), leave(missing), leave(short_file);
  const uint64_t all = resumed(same, options_of(1, 64));
  CHECK(all > 0);
  auto renamed = options_of(1, 64);
  renamed.identity = "another test";
  CHECK(resumed(other, renamed) == 0);
  CHECK(resumed(chunked, options_of(1, 128)) == 0);
  std::string bytes = slurp(torn / checkpoint::kJournalName);
  spill(torn / checkpoint::kJournalName, bytes.substr(0, bytes.size() - 5));
  CHECK(resumed(torn, options_of(1, 64)) < all);
  bytes = slurp(flipped / checkpoint::kJournalName);
  bytes[bytes.size() / 2] ^= 1;
  spill(flipped / checkpoint::kJournalName, bytes);
  CHECK(resumed(flipped, options_of(1, 64)) < all);
  fs::remove(missing / "file-1");
  CHECK(resumed(missing, options_of(1, 64)) == 0);
  fs::resize_file(short_file / "file-2", 5);
  CHECK(resumed(short_file, options_of(1, 64)) == 0);
}

TEST_CASE("a run that goes on writes headers again and leaves nothing of other work in its folder") {
  SilentJob silent;
  for (const char* identity : {"test", "another test"}) {
    const TempFolder folder;
    CancelAfterChecks stopped(300);
    CHECK_THROWS_AS(merge::stream(model_of(kSizes), folder.path(), options_of(1, 64), stopped), Cancelled);
    // A machine that stopped may have kept the size of a file and not its first bytes.
    std::string bytes = slurp(folder / "file-0");
    bytes.replace(0, 7, 7, '\0');
    spill(folder / "file-0", bytes);
    spill(folder / "file-3", "a shard of another layout");
    fs::create_directory(folder / "parts");
    auto options = options_of(1, 64);
    options.identity = identity;
    merge::stream(model_of(kSizes), folder.path(), options, silent);
    check_whole(folder.path());
    CHECK(!fs::exists(folder / "file-3"));
    CHECK(!fs::exists(folder / "parts"));
  }
}

TEST_CASE("without a journal other files of the folder stay") {
  SilentJob silent;
  const TempFolder folder;
  spill(folder / "config.json", "{}");
  merge::stream(model_of(kSizes), folder.path(), options_of(1, 64), silent);
  CHECK(slurp(folder / "config.json") == "{}");
}

TEST_CASE("notes of an earlier boot count as far as a mark covers them") {
  const TempFolder folder;
  const std::string path = folder / "journal";
  {
    auto journal = merge::Journal::create(path, "work");
    for (uint32_t chunk = 0; chunk < 5; ++chunk) journal.add({chunk, {}});
    journal.mark_synced(3);
    journal.add({5, {}});
  }
  CHECK(merge::Journal::reopen(path, "work")->finished().size() == 6);
  const auto after_crash = merge::Journal::reopen(path, "work", merge::this_boot() + 1);
  REQUIRE(after_crash->finished().size() == 3);
  CHECK(after_crash->finished()[2].chunk == 2);
}

TEST_CASE(
    "a journal that is not there is none, one that cannot be read is an error, a boot unknown is no boot") {
  const TempFolder folder;
  CHECK_FALSE(merge::Journal::reopen(folder / "journal", "work").has_value());
  fs::create_directory(folder / "journal");
  CHECK_THROWS_AS(merge::Journal::reopen(folder / "journal", "work"), Error);
  const std::string path = folder / "other";
  merge::Journal::create(path, "work", 0).add({1, {}});
  CHECK(merge::Journal::reopen(path, "work", 0)->finished().empty());
}

TEST_CASE("checking finds the file, the tensor and the byte that differ") {
  const TempFolder folder;
  SilentJob job;
  const OutputModel model = model_of(kSizes);
  merge::stream(model, folder.path(), options_of(2, 64), job);
  CHECK(merge::check_stream(model_of(kSizes), folder.path(), 1000, 1, options_of(2, 64), job)
            .mismatches.empty());
  const auto some = merge::check_stream(model_of(kSizes), folder.path(), 7, 1, options_of(2, 64), job);
  CHECK(some.chunks_checked == 7);
  CHECK(some.num_chunks > 100);
  std::string bytes = slurp(folder / "file-2");
  bytes[7 + 5000] ^= 1;
  spill(folder / "file-2", bytes);
  const auto found = merge::check_stream(model_of(kSizes), folder.path(), 1000, 1, options_of(2, 64), job);
  REQUIRE(found.mismatches.size() == 1);
  CHECK(found.mismatches[0].file == "file-2");
  CHECK(found.mismatches[0].tensor == "t4");
  CHECK(found.mismatches[0].offset == 7 + 5000);
  fs::resize_file(folder / "file-0", 10);
  const auto cut = merge::check_stream(model_of(kSizes), folder.path(), 1000, 1, options_of(2, 64), job);
  CHECK(cut.mismatches.size() == 2);
}

TEST_CASE("a failing piece fails the run once, and what was done before is kept") {
  class Failing final : public Piece {
   public:
    uint64_t num_bytes() const override { return 640; }
    uint64_t granule() const override { return 1; }
    uint64_t workspace_bytes(uint64_t) const override { return 0; }
    void produce(uint64_t begin, uint64_t, char*, merge::Workspace&, merge::PieceSums&) const override {
      if (begin >= 320) throw Error("ERR_IO", "no such luck");
    }
  };
  const TempFolder folder;
  SilentJob job;
  OutputModel model;
  model.files.push_back({"file", "", 640, {}});
  model.files[0].pieces.push_back({"t", 0, std::make_unique<Failing>()});
  CHECK(caught([&] { merge::stream(model, folder.path(), options_of(3, 64), job); }).code() == "ERR_IO");
  CHECK(fs::exists(folder / checkpoint::kJournalName));
}

// Files of torch as a whole: archives, storages, views; and files that lie.
#include "checkpoint/torch_file.h"

#include "checkpoint/crc32.h"
#include "checkpoint/strided_runs.h"
#include "fixtures.h"
#include "made_torch.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using checkpoint::PickleTensor;
using checkpoint::TorchFile;

namespace {

std::vector<float> counted(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i);
  return values;
}

std::string read_bytes(TorchFile& file, const PickleTensor& tensor) {
  SilentJob job;
  std::string all;
  file.read(tensor, job, [&](uint64_t offset, const void* bytes, uint64_t count) {
    REQUIRE(offset == all.size());
    all.append(static_cast<const char*>(bytes), count);
  });
  return all;
}

/// The elements one by one, by the definition of a view.
std::vector<float> naive(const PickleTensor& tensor, const std::vector<float>& storage) {
  std::vector<float> all;
  for (uint64_t n = 0; n < tensor.num_elements(); ++n) {
    uint64_t element = tensor.offset, rest = n;
    for (size_t i = tensor.shape.size(); i-- > 0;) {
      const auto size = static_cast<uint64_t>(tensor.shape[i]);
      element += rest % size * static_cast<uint64_t>(tensor.strides[i]);
      rest /= size;
    }
    all.push_back(storage[element]);
  }
  return all;
}

std::string simple_file() {
  return torch_bytes(pickled(dict({{"w", tensor(storage("0", 6), 0, {2, 3}, {3, 1})}})),
                     {floats(counted(6))});
}

/// Everything of a file is read, as a conversion would.
void read_all(const std::string& path) {
  TorchFile file = TorchFile::open(path);
  for (const PickleTensor& tensor : file.tree().tensors) read_bytes(file, tensor);
}

}  // namespace

TEST_CASE("the checksum is the one of zip files") {
  CHECK(checkpoint::crc32(0, "123456789", 9) == 0xcbf43926);
  CHECK(checkpoint::crc32(checkpoint::crc32(0, "12345678", 8), "9", 1) == 0xcbf43926);
}

TEST_CASE("a tensor is read with its name, shape and bytes") {
  const TempFolder folder;
  spill(folder / "a.pt", simple_file());
  TorchFile file = TorchFile::open(folder / "a.pt");
  const auto* value = file.tree().find(file.tree().root, "w");
  REQUIRE(value != nullptr);
  const PickleTensor& tensor = file.tree().tensors[value->index()];
  CHECK(tensor.shape == std::vector<int64_t>{2, 3});
  CHECK(read_bytes(file, tensor) == floats(counted(6)));
  file.check_unchanged();
}

TEST_CASE("random views are read as their definition says") {
  Seeded random;
  CAPTURE(random.seed);
  const TempFolder folder;
  const auto values = counted(400);
  for (int round = 0; round < 60; ++round) {
    std::vector<int64_t> shape, strides;
    int64_t last = 0;
    for (uint64_t rank = random.below(5); rank > 0; --rank) {
      shape.push_back(static_cast<int64_t>(1 + random.below(4)));
      strides.push_back(static_cast<int64_t>(random.below(3) == 0 ? 1 : random.below(30)));
      last += (shape.back() - 1) * strides.back();
    }
    const auto offset = static_cast<int64_t>(random.below(static_cast<uint64_t>(400 - last)));
    spill(folder / "v.pt",
          torch_bytes(pickled(tensor(storage("0", 400), offset, shape, strides)), {floats(values)}));
    TorchFile file = TorchFile::open(folder / "v.pt");
    const PickleTensor& view = file.tree().tensors[0];
    CHECK(read_bytes(file, view) == floats(naive(view, values)));
  }
}

TEST_CASE("a view with gaps beyond what is held in memory is read piece by piece") {
  const TempFolder folder;
  const int64_t count = 17 << 20;  // 68 MB, of which 3 elements are wanted
  std::string zeros(static_cast<size_t>(count) * 4, '\0');
  const float last = 7;
  zeros.replace(zeros.size() - 4, 4, reinterpret_cast<const char*>(&last), 4);
  spill(folder / "g.pt", torch_bytes(pickled(tensor(storage("0", count), 1, {3}, {count / 2 - 1})), {zeros}));
  TorchFile file = TorchFile::open(folder / "g.pt");
  CHECK(read_bytes(file, file.tree().tensors[0]) == floats({0, 0, 7}));
}

TEST_CASE("data that does not have the checksum of its entry is refused, also behind a view") {
  const TempFolder folder;
  for (const std::string& view :
       {tensor(storage("0", 6), 0, {6}, {1}), tensor(storage("0", 6), 0, {2}, {1})}) {
    std::string bytes = torch_bytes(pickled(view), {floats(counted(6))});
    const size_t at = bytes.find(floats({5}));
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    spill(folder / "a.pt", bytes);
    TorchFile file = TorchFile::open(folder / "a.pt");
    const Error error = caught([&] { read_bytes(file, file.tree().tensors[0]); });
    CHECK(error.code() == "ERR_PICKLE");
    CHECK(detail(error, "reason") == "checksum");
    CHECK(error.message().find("archive/data/0") != std::string::npos);
  }
}

TEST_CASE("storages that the archive lacks, or has in another size, are refused") {
  const TempFolder folder;
  const std::string pickle = pickled(tensor(storage("0", 6), 0, {6}, {1}));
  const auto reason = [&](const std::vector<std::string>& storages) {
    spill(folder / "a.pt", torch_bytes(pickle, storages));
    return detail(caught([&] { TorchFile::open(folder / "a.pt"); }), "reason");
  };
  CHECK(reason({}) == "missing_storage");
  CHECK(reason({floats(counted(5))}) == "storage_size");
  CHECK(reason({floats(counted(7))}) == "storage_size");
  const std::string raw = pickled(storage("0", 24, "UntypedStorage"));
  spill(folder / "a.pt", torch_bytes(raw, {std::string(25, 'x')}));
  CHECK(caught([&] { TorchFile::open(folder / "a.pt"); }).message().find("expected 24 bytes") !=
        std::string::npos);
  spill(folder / "a.pt", torch_bytes(raw, {std::string(24, 'x')}));
  CHECK_NOTHROW(TorchFile::open(folder / "a.pt"));
}

TEST_CASE("a view of exactly one chunk is handed on once, and a second one asks for no sum again") {
  const TempFolder folder;
  constexpr int64_t kSide = 1024;
  const std::string turned = tensor(storage("0", kSide * kSide), 0, {kSide, kSide}, {1, kSide});
  const std::vector<float> values = counted(kSide * kSide);
  spill(folder / "a.pt", torch_bytes(pickled(tuple({turned, turned})), {floats(values)}));
  TorchFile file = TorchFile::open(folder / "a.pt");
  SilentJob job;
  for (const PickleTensor& one : file.tree().tensors) {
    int times = 0;
    file.read(one, job, [&](uint64_t offset, const void* bytes, uint64_t count) {
      ++times;
      CHECK(offset == 0);
      CHECK(count == 4 << 20);
      CHECK(static_cast<const float*>(bytes)[1] == kSide);
    });
    CHECK(times == 1);
  }
}

TEST_CASE("a pickle is no larger than the states of models need, a program of TorchScript is named") {
  const TempFolder folder;
  const auto reason = [&](const std::string& bytes) {
    spill(folder / "a.pt", bytes);
    return detail(caught([&] { TorchFile::open(folder / "a.pt"); }), "reason");
  };
  CHECK(reason(torch_bytes(std::string((16 << 20) + 1, 'x'))) == "pickle_too_large");
  CHECK(reason(stored_zip({{"archive/data.pkl", pickled("N")}, {"archive/constants.pkl", pickled(")")}})) ==
        "torchscript");
}

TEST_CASE("archives that could mean two things are refused by their reason") {
  const TempFolder folder;
  const std::string pickle = pickled("N");
  const MadeEntry good = {"archive/data.pkl", pickle};
  const auto zip = [&](MadeEntry other) { return stored_zip({good, std::move(other)}); };
  const auto shifted = [&](int64_t by) {
    MadeEntry entry = {"archive/x", "abc"};
    entry.local_shift = by;
    return zip(entry);
  };
  std::string with_comment = stored_zip({good});
  with_comment.replace(with_comment.size() - 2, 2, little(1, 2));
  const struct {
    const char* what;
    std::string bytes;
    const char* reason;
  } cases[] = {
      {"a zip bomb", zip({"archive/x", "abc", 8}), "compressed"},
      {"an encrypted entry", zip({"archive/x", "abc", 0, 1}), "flags"},
      {"entries that overlap", shifted(-10), "overlap"},
      {"an entry behind the directory", shifted(100'000), "entry_past_end"},
      {"an entry where none is", shifted(1), "no_local_header"},
      {"a size beyond the file", zip({"archive/x", "abc", 0, 0, 0, 1'000'000}), "entry_past_end"},
      {"another name before the data", zip({"archive/x", "abc", 0, 0, 0, UINT64_MAX, "archive/y"}),
       "names_differ"},
      {"a longer name before the data", zip({"archive/x", "a", 0, 0, 0, UINT64_MAX, "archive/yy"}),
       "headers_differ"},
      {"a name that climbs out", zip({"../x", "abc"}), "path_in_name"},
      {"an absolute name", zip({"/x", "abc"}), "path_in_name"},
      {"a name twice", zip(good), "name_twice"},
      {"two pickles", zip({"other/data.pkl", pickle}), "two_pickles"},
      {"no pickle", stored_zip({{"archive/x", "abc"}}), "no_pickle"},
      {"a comment", with_comment + " ", "no_end_record"},
      {"bytes behind the end", stored_zip({good}) + "x", "no_end_record"},
      {"bytes before the first entry", "PK\x03\x04" + stored_zip({good}), "directory_place"},
      {"a program", zip({"archive/code/a.py", "x"}), "torchscript"},
      {"big-endian data", zip({"archive/byteorder", "big"}), "big_endian"},
  };
  for (const auto& [what, bytes, reason] : cases) {
    CAPTURE(what);
    spill(folder / "a.pt", bytes);
    const Error error = caught([&] { TorchFile::open(folder / "a.pt"); });
    CHECK(error.code() == "ERR_PICKLE");
    CHECK(detail(error, "reason") == reason);
  }
}

TEST_CASE("other formats are refused by name, with what to do") {
  const TempFolder folder;
  const auto padded = [](std::string bytes) { return bytes + std::string(600, '\0'); };
  const struct {
    std::string bytes;
    const char *reason, *named, *hint;
  } cases[] = {
      {padded("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."), "before_torch_1_6",
       "before torch 1.6", "torch.save(torch.load("},
      {padded(std::string(257, 'x') + "ustar"), "tar", "tar", "torch.save(torch.load("},
      {padded(pickled("N")), "bare_pickle", "pickle", "torch.save("},
      {padded(little(8, 8) + "{\"a\":1}"), "safetensors", "safetensors", "needs no conversion"},
      {padded("GGUF"), "gguf", "GGUF", "Convert the model"},
      {"hello", "not_torch", "another kind", "torch.save"},
      {"", "not_torch", "another kind", "torch.save"},
  };
  for (const auto& [bytes, reason, named, hint] : cases) {
    spill(folder / "a.pt", bytes);
    const Error error = caught([&] { TorchFile::open(folder / "a.pt"); });
    CHECK(error.code() == "ERR_PICKLE");
    CHECK(detail(error, "reason") == reason);
    CHECK(error.message().find(named) != std::string::npos);
    CHECK(error.hint().find(hint) != std::string::npos);
  }
}

TEST_CASE("a file cut short at any byte is refused") {
  const TempFolder folder;
  const std::string bytes = simple_file();
  for (size_t length = 0; length < bytes.size(); ++length) {
    CAPTURE(length);
    spill(folder / "a.pt", bytes.substr(0, length));
    CHECK(caught([&] { read_all(folder / "a.pt"); }).code() == "ERR_PICKLE");
  }
}

TEST_CASE("a file with random changes is read or refused with a code, and never more") {
  Seeded random;
  CAPTURE(random.seed);
  const TempFolder folder;
  const std::string bytes = simple_file();
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    std::string changed = bytes;
    for (uint64_t i = 1 + random.below(4); i > 0; --i) {
      changed[random.below(changed.size())] = static_cast<char>(random.below(256));
      if (random.below(8) == 0) changed.resize(random.below(changed.size()) + 1);
    }
    spill(folder / "a.pt", changed);
    try {
      read_all(folder / "a.pt");
    } catch (const Error& error) {
      CHECK(error.code() == "ERR_PICKLE");
      ++refused;
    }
  }
  CHECK(refused > 200);
}

TEST_CASE("reading is cancelled between two chunks") {
  const TempFolder folder;
  spill(folder / "a.pt", simple_file());
  TorchFile file = TorchFile::open(folder / "a.pt");
  CancelAfter job(0);
  CHECK_THROWS_AS(file.read(file.tree().tensors[0], job, [](uint64_t, const void*, uint64_t) {}), Cancelled);
}

#include "checkpoint/block_sums.h"

#include <cstring>

#include "checkpoint/safetensors.h"
#include "fixtures.h"

using namespace tongueforge;
using namespace tongueforge::checkpoint;
using namespace tongueforge::testing;

namespace {

/// Lies over several blocks, and ends within one.
const std::vector<TensorSpec> kSpecs = {{"a", DType::U8, {100'001}},
                                        {"b", DType::F32, {40'000}},
                                        {"c", DType::I64, {3}},
                                        {"none", DType::F32, {0, 4}}};

void check_nothing() {}

std::string made(const std::string& path, Seeded& random) {
  const FilePlan plan = plan_summed_file(kSpecs, {{"format", "test"}});
  std::string bytes = plan.header + std::string(plan.data_bytes, '\0');
  for (size_t i = plan.header.size(); i < plan.header.size() + plan.tensors.back().begin; ++i)
    bytes[i] = static_cast<char>(random.engine());
  spill(path, bytes);
  write_block_sums(path, 3, check_nothing);
  return bytes;
}

/// What is read of all tensors, one after the other.
void read_all(const std::string& path) {
  auto file = SafetensorsFile::open(path);
  file.compare_blocks();
  for (const auto& tensor : file.tensors()) {
    std::string bytes(tensor.num_bytes(), '\0');
    file.read(tensor, bytes.data());
  }
}

void flip(const std::string& path, uint64_t bit) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(bit / 8));
  const auto byte = static_cast<char>(file.get() ^ (1 << bit % 8));
  file.seekp(static_cast<std::streamoff>(bit / 8));
  file.put(byte);
}

}  // namespace

TEST_CASE("the sums stand behind all other data, and any range is read as it was written") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const TempFolder folder;
  const std::string bytes = made(folder / "f", random);
  for (int round = 0; round < 20; ++round) {
    auto file = SafetensorsFile::open(folder / "f");
    file.compare_blocks();
    CHECK(file.tensors().back().name == kBlockSums);
    for (int i = 0; i < 20; ++i) {
      const TensorInfo& tensor = file.tensors()[random.engine() % 4];
      const uint64_t size = tensor.num_bytes(), begin = random.engine() % (size + 1);
      const uint64_t count = random.engine() % (size - begin + 1);
      std::string read(count, '\0');
      file.read_range(tensor, begin, count, read.data());
      REQUIRE(read == bytes.substr(file.data_begin() + tensor.begin + begin, count));
    }
  }
}

TEST_CASE("a flipped bit anywhere in a file with sums is found when the file is read") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const TempFolder folder;
  const std::string path = folder / "f";
  made(path, random);
  const uint64_t size = std::filesystem::file_size(path), header = SafetensorsFile::open(path).data_begin();
  for (int round = 0; round < 300; ++round) {
    // Of the header too, which is small.
    const uint64_t bit = random.engine() % (8 * (round % 3 ? size : header));
    flip(path, bit);
    INFO("bit ", bit);
    const Error error = caught([&] { read_all(path); });
    CHECK(error.code() == "ERR_SAFETENSORS");
    CHECK(detail(error, "file") == path);
    flip(path, bit);
  }
  read_all(path);
}

TEST_CASE("a damaged block is told by its place, and does not keep from reading the others") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const TempFolder folder;
  const std::string path = folder / "f";
  made(path, random);
  auto file = SafetensorsFile::open(path);
  file.compare_blocks();
  const TensorInfo &b = *file.find("b"), &a = *file.find("a");
  flip(path, 8 * (file.data_begin() + b.begin + 5));  // the block that begins with "c", 24 bytes before
  std::string bytes(1000, '\0');
  file.read_range(a, 90'000, 1000, bytes.data());
  for (const uint64_t at : {uint64_t{0}, uint64_t{900}}) {
    const Error error = caught([&] { file.read_range(b, at, 10, bytes.data()); });
    CHECK(error.code() == "ERR_SAFETENSORS");
    CHECK(detail(error, "reason") == "damaged");
    CHECK(detail(error, "offset") == std::to_string(file.data_begin()));
    CHECK(error.message().find("bytes " + std::to_string(file.data_begin()) + " to ") != std::string::npos);
    CHECK(!error.hint().empty());
  }
}

TEST_CASE("what has no sums, or sums of another size, is refused where they are needed") {
  const TempFolder folder;
  const std::vector<std::vector<TensorSpec>> layouts = {
      {{"w", DType::U8, {8}}},
      {{"w", DType::U8, {8}}, {kBlockSums, DType::U8, {3, 4}}},
      {{"w", DType::U8, {8}}, {kBlockSums, DType::U32, {2}}},
      {{kBlockSums, DType::U8, {1, 4}}, {"w", DType::U8, {8}}},
  };
  for (const auto& specs : layouts) {
    const FilePlan plan = plan_file(specs, {}, TensorOrder::AsGiven);
    spill(folder / "f", plan.header + std::string(plan.data_bytes, '\0'));
    auto file = SafetensorsFile::open(folder / "f");
    const Error error = caught([&] { file.compare_blocks(); });
    CHECK(error.code() == "ERR_SAFETENSORS");
    CHECK(detail(error, "reason") == "no_checksums");
  }
}

#include "merge/rows/row_extension.h"

#include <cmath>
#include <cstring>

#include "../../checkpoint/fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using checkpoint::ModelWeights;
using merge::NewRows;
using merge::RowExtension;

namespace {

constexpr int64_t kRows = 20, kColumns = 6;
constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kHead = "lm_head.weight";
constexpr const char* kNorm = "model.norm.weight";

size_t width(DType dtype) { return static_cast<size_t>(dtype_bits(dtype)) / 8; }

MadeTensor random_tensor(Seeded& random, const std::string& name, DType dtype, std::vector<int64_t> shape) {
  std::normal_distribution<float> normal(0.0f, 0.05f);
  size_t count = 1;
  for (const int64_t dimension : shape) count *= static_cast<size_t>(dimension);
  std::string bytes;
  for (size_t i = 0; i < count; ++i) {
    const float value = normal(random.engine);
    const uint32_t bits = dtype == DType::F32    ? std::bit_cast<uint32_t>(value)
                          : dtype == DType::BF16 ? float_to_bf16(value)
                                                 : float_to_f16(value);
    bytes.append(reinterpret_cast<const char*>(&bits), width(dtype));
  }
  return {{name, dtype, std::move(shape)}, bytes};
}

std::vector<MadeTensor> random_model(Seeded& random, DType dtype, bool with_head) {
  std::vector<MadeTensor> tensors = {
      random_tensor(random, kNorm, dtype, {kColumns}),
      random_tensor(random, kEmbedding, dtype, {kRows, kColumns}),
      random_tensor(random, "model.layers.0.mlp.up_proj.weight", dtype, {9, kColumns})};
  if (with_head) tensors.push_back(random_tensor(random, kHead, dtype, {kRows, kColumns}));
  return tensors;
}

NewRows random_rows(Seeded& random, int64_t first, size_t count, int64_t num_rows) {
  NewRows rows{first, {}, num_rows};
  for (size_t token = 0; token < count; ++token) {
    std::vector<int32_t> pieces;
    for (uint64_t i = 0; i < 1 + random.below(4); ++i)
      pieces.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(first))));
    rows.pieces.push_back(std::move(pieces));
  }
  return rows;
}

std::string data_of(const ModelWeights& model, const std::string& name) {
  const auto& weight = model.at(name);
  std::string bytes(weight.num_bytes(), '\0');
  weight.read(bytes.data());
  return bytes;
}

float value_at(DType dtype, const std::string& bytes, size_t index) {
  uint32_t bits = 0;
  std::memcpy(&bits, bytes.data() + index * width(dtype), width(dtype));
  return dtype == DType::F32    ? std::bit_cast<float>(bits)
         : dtype == DType::BF16 ? bf16_to_float(static_cast<uint16_t>(bits))
                                : f16_to_float(static_cast<uint16_t>(bits));
}

// The mean of some rows as the header promises it, from the bytes alone.
std::string mean_row(DType dtype, const std::string& bytes, const std::vector<int32_t>& rows) {
  std::string row;
  for (size_t column = 0; column < kColumns; ++column) {
    double sum = 0;
    for (const int32_t id : rows)
      sum += static_cast<double>(value_at(dtype, bytes, static_cast<size_t>(id) * kColumns + column));
    const auto mean = static_cast<float>(sum / static_cast<double>(rows.size()));
    const uint32_t bits = dtype == DType::F32    ? std::bit_cast<uint32_t>(mean)
                          : dtype == DType::BF16 ? float_to_bf16(mean)
                                                 : float_to_f16(mean);
    row.append(reinterpret_cast<const char*>(&bits), width(dtype));
  }
  return row;
}

std::string expected_rows(DType dtype, const std::string& old, const NewRows& rows) {
  const size_t row_bytes = kColumns * width(dtype);
  std::string all = old.substr(0, static_cast<size_t>(rows.first) * row_bytes);
  for (const auto& pieces : rows.pieces) all += mean_row(dtype, old, pieces);
  if (all.size() < old.size()) all += old.substr(all.size());
  std::vector<int32_t> every;
  for (int32_t id = 0; id < rows.first; ++id) every.push_back(id);
  while (all.size() < static_cast<size_t>(rows.num_rows) * row_bytes) all += mean_row(dtype, old, every);
  return all;
}

// Keeps the last progress; none goes beyond its total.
struct ProgressJob final : Job {
  Value latest;
  bool cancelled() const override { return false; }
  void emit(Value) override {}
  void progress(Value value) override {
    CHECK(number(value, "done_bytes") <= number(value, "total_bytes"));
    latest = std::move(value);
  }
};

}  // namespace

TEST_CASE("extending rows: new rows are means, padding is the mean of all, the rest stays byte for byte") {
  Seeded random;
  CAPTURE(random.seed);
  for (const DType dtype : {DType::F32, DType::BF16, DType::F16}) {
    for (const uint64_t shard : {UINT64_MAX, uint64_t{400}}) {
      for (const bool tied : {false, true}) {
        TempFolder folder;
        const auto tensors = random_model(random, dtype, !tied);
        make_model(folder / "model", tensors, shard);
        const auto first = static_cast<int64_t>(8 + random.below(kRows - 7));
        const size_t count = random.below(16);
        const int64_t least = std::max<int64_t>(kRows, first + static_cast<int64_t>(count));
        const NewRows rows = random_rows(random, first, count, least + static_cast<int64_t>(random.below(4)));
        const RowExtension extension(folder / "model", rows, tied);
        REQUIRE(extension.problems().empty());
        std::filesystem::create_directory(folder / "out");
        ProgressJob job;
        const auto report = extension.run(folder / "out", job);
        CHECK(report.tensors_extended == (tied ? 1 : 2));
        CHECK(report.bytes_written == extension.bytes_to_write());
        const uint64_t total = extension.bytes_to_read() + extension.bytes_to_write();
        CHECK(number(job.latest, "total_bytes") == static_cast<double>(total));
        CHECK(report.bytes_read == extension.bytes_to_read());
        if (shard == UINT64_MAX) CHECK(number(job.latest, "done_bytes") == number(job.latest, "total_bytes"));

        const auto before = ModelWeights::open(folder / "model"), after = ModelWeights::open(folder / "out");
        REQUIRE(after.files().size() == before.files().size());
        for (const auto& tensor : tensors) {
          const std::string& name = tensor.spec.name;
          const bool grows = name == kEmbedding || name == kHead;
          CHECK(data_of(after, name) ==
                (grows ? expected_rows(dtype, tensor.bytes, rows) : data_of(before, name)));
          if (grows) CHECK(after.at(name).shape() == std::vector<int64_t>{rows.num_rows, kColumns});
        }
      }
    }
  }
}

TEST_CASE("extending by nothing gives the same files byte for byte") {
  Seeded random;
  TempFolder folder;
  make_model(folder / "model", random_model(random, DType::BF16, true), 400);
  std::filesystem::create_directory(folder / "out");
  SilentJob job;
  RowExtension(folder / "model", {kRows, {}, kRows}, false).run(folder / "out", job);
  for (const auto& entry : std::filesystem::directory_iterator(folder / "model")) {
    const std::string name = entry.path().filename().string();
    CHECK(slurp(folder / "model" + "/" + name) == slurp(folder / "out" + "/" + name));
  }
}

TEST_CASE("extending rows refuses what does not fit, with the tensors by name") {
  Seeded random;
  TempFolder folder;
  make_model(folder / "model", random_model(random, DType::F32, false));
  const auto problem = [&](const NewRows& rows, bool tied) {
    const RowExtension extension(folder / "model", rows, tied);
    REQUIRE(extension.problems().size() == 1);
    return extension.problems().front();
  };
  CHECK(problem({kRows, {{0}}, kRows + 1}, false).code() == "ERR_MISSING_TENSOR");
  CHECK(detail(problem({kRows, {{0}}, kRows + 1}, false), "tensors").find(kHead) != std::string::npos);
  CHECK(problem({kRows + 1, {{0}}, kRows + 2}, true).code() == "ERR_SHAPE_MISMATCH");
  CHECK(problem({kRows, {{0}, {}}, kRows + 2}, true).code() == "ERR_VOCABULARY");
  CHECK(problem({kRows, {{kRows}}, kRows + 1}, true).code() == "ERR_VOCABULARY");
  CHECK(problem({kRows, {{0}}, kRows}, true).code() == "ERR_VOCABULARY");
  make_model(folder / "model64", {{{kEmbedding, DType::F64, {2, 1}}, std::string(16, '\0')}});
  CHECK(RowExtension(folder / "model64", {2, {{0}}, 3}, true).problems().front().code() == "ERR_DTYPE");
}

TEST_CASE("extending rows can be cancelled") {
  Seeded random;
  TempFolder folder;
  make_model(folder / "model", random_model(random, DType::F32, true));
  std::filesystem::create_directory(folder / "out");
  CancelAfter job(2);
  CHECK_THROWS_AS(RowExtension(folder / "model", {kRows, {{0}}, kRows + 1}, false).run(folder / "out", job),
                  Cancelled);
}

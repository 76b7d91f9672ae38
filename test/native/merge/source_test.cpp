#include "merge/source.h"

#include <cstring>

#include "../checkpoint/fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using merge::Source;

namespace {

/// A model with one matrix of 6 rows and 5 columns: row r, column c holds 10 r + c.
struct Matrix {
  TempFolder folder;
  checkpoint::ModelWeights model;

  explicit Matrix(DType dtype) : model(make(folder, dtype)) {}

  const checkpoint::Weight& weight() const { return model.tensors().front(); }

  static checkpoint::ModelWeights make(const TempFolder& folder, DType dtype) {
    std::string bytes;
    for (int row = 0; row < 6; ++row) {
      for (int column = 0; column < 5; ++column) {
        const auto value = static_cast<float>(10 * row + column);
        const uint32_t bits = dtype == DType::BF16  ? float_to_bf16(value)
                              : dtype == DType::F16 ? float_to_f16(value)
                                                    : std::bit_cast<uint32_t>(value);
        bytes.append(reinterpret_cast<const char*>(&bits), static_cast<size_t>(dtype_width(dtype)));
      }
    }
    make_model(folder / "model", {{{"w", dtype, {6, 5}}, bytes}});
    return checkpoint::ModelWeights::open(folder / "model");
  }
};

std::vector<float> floats(const Source& source, uint64_t first, uint64_t count) {
  std::vector<float> values(count);
  std::vector<char> scratch(count * 4);
  source.read_floats(first, count, values.data(), scratch.data());
  return values;
}

merge::RowMap map_of(std::vector<int32_t> rows) {
  return std::make_shared<const std::vector<int32_t>>(std::move(rows));
}

}  // namespace

TEST_CASE("any stretch of mapped rows is what the whole says, for every dtype") {
  const std::vector<int32_t> rows = {4, 5, 0, -1, -1, 2, 3, 3, -1};
  for (const DType dtype : {DType::BF16, DType::F16, DType::F32}) {
    const Matrix matrix(dtype);
    const Source source(matrix.weight(), map_of(rows));
    CHECK(source.shape() == std::vector<int64_t>{9, 5});
    REQUIRE(source.num_elements() == 45);
    for (uint64_t first = 0; first < 45; ++first) {
      for (uint64_t count = 0; first + count <= 45; ++count) {
        const auto values = floats(source, first, count);
        for (uint64_t i = 0; i < count; ++i) {
          const int32_t row = rows[(first + i) / 5];
          const float expected =
              row < 0 ? 0.0f : static_cast<float>(10 * row) + static_cast<float>((first + i) % 5);
          REQUIRE(values[i] == expected);
        }
      }
    }
  }
}

TEST_CASE("only rows that the input has are read") {
  const Matrix matrix(DType::F32);
  const Source source(matrix.weight(), map_of({1, -1, 0}));
  std::vector<char> bytes(15 * 4);
  CHECK(source.read_raw(0, 15, bytes.data()) == 10 * 4);
}

TEST_CASE("an adapter is added by the rows of the input, to any stretch") {
  const TempFolder folder;
  std::vector<float> a, b;
  for (int i = 0; i < 10; ++i) a.push_back(0.25f * static_cast<float>(i));
  for (int i = 0; i < 12; ++i) b.push_back(static_cast<float>(i % 3 - 1));
  const auto bytes = [](const std::vector<float>& values) {
    return std::string(reinterpret_cast<const char*>(values.data()), values.size() * 4);
  };
  spill(folder / "adapter",
        make_file_bytes({{{"a", DType::F32, {2, 5}}, bytes(a)}, {{"b", DType::F32, {6, 2}}, bytes(b)}}));
  const auto file = checkpoint::SafetensorsFile::open(folder / "adapter");
  const merge::LowRankSource low_rank{&file, file.find("a"), file.find("b"), 2};
  const auto expected = [&](int32_t row, uint64_t column) {
    double sum = 10 * row + static_cast<double>(column);
    for (size_t r = 0; r < 2; ++r)
      sum += 2.0 * static_cast<double>(b[static_cast<size_t>(row) * 2 + r] * a[r * 5 + column]);
    return static_cast<float>(sum);
  };
  const std::vector<int32_t> rows = {5, -1, 1, 0};
  for (const DType dtype : {DType::BF16, DType::F32}) {
    const Matrix matrix(dtype);
    const Source plain(matrix.weight(), nullptr, low_rank), mapped(matrix.weight(), map_of(rows), low_rank);
    for (uint64_t first = 0; first < 20; first += 3) {
      const auto all = floats(plain, first, 10), some = floats(mapped, first, 20 - first);
      for (uint64_t i = 0; i < 10; ++i) {
        const uint64_t at = first + i;
        CHECK(all[i] == expected(static_cast<int32_t>(at / 5), at % 5));
      }
      for (uint64_t at = first; at < 20; ++at) {
        const int32_t row = rows[at / 5];
        CHECK(some[at - first] == (row < 0 ? 0.0f : expected(row, at % 5)));
      }
    }
  }
}

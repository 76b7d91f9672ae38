// A merge as planned: the same bytes however the work is cut and ordered, and what headers speak against.
#include "merge/config/config_merge.h"

#include <cstring>
#include <limits>
#include <map>
#include <numeric>

#include "../../checkpoint/fixtures.h"
#include "merge/float_output.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using merge::ConfigMerge;
using merge::ConfigMergeOptions;
namespace fs = std::filesystem;

namespace {

constexpr int64_t kRows = 2500, kColumns = 16;  // more than go through a method at once

std::string random_bytes(Seeded& random, DType dtype, size_t count) {
  std::normal_distribution<float> normal(0.0f, 0.1f);
  std::string bytes;
  for (size_t i = 0; i < count; ++i) {
    const float value = normal(random.engine);
    const uint32_t bits = dtype == DType::F32 ? std::bit_cast<uint32_t>(value) : float_to_bf16(value);
    bytes.append(reinterpret_cast<const char*>(&bits), static_cast<size_t>(dtype_width(dtype)));
  }
  return bytes;
}

/// A model folder of three matrices.
std::string make_matrices(Seeded& random, const TempFolder& root, const std::string& name, DType dtype,
                          int64_t columns = kColumns) {
  std::vector<MadeTensor> tensors;
  for (const char* tensor : {"b", "a", "c"})
    tensors.push_back({{tensor, dtype, {kRows, columns}},
                       random_bytes(random, dtype, static_cast<size_t>(kRows * columns))});
  make_model(root / name, tensors);
  return root / name;
}

ConfigMergeOptions options_of(const std::string& method, const std::vector<std::string>& folders,
                              const std::vector<std::string>& names = {"a", "b", "c"}) {
  ConfigMergeOptions options;
  options.method = method;
  options.max_shard_bytes = uint64_t{1} << 30;
  options.seed = 7;
  for (const std::string& folder : folders) options.models.push_back({folder, false, std::nullopt});
  for (const std::string& name : names) {
    merge::OutputTensorOptions tensor;
    tensor.name = name;
    tensor.dtype = "BF16";
    for (size_t i = 0; i < folders.size(); ++i) {
      const bool is_base = i == 0 && method != "linear";
      if (is_base) {
        tensor.base = merge::TensorOrigin{i, name};
      } else {
        tensor.inputs.push_back({i, name});
        tensor.input_parameters.push_back({{"weight", 0.3 + static_cast<double>(i)}, {"density", 0.5}});
      }
    }
    options.tensors.push_back(std::move(tensor));
  }
  return options;
}

/// Rows in another order, some taken from the other models.
merge::RowOptions random_rows(Seeded& random, size_t num_models) {
  merge::RowOptions rows;
  auto table = std::make_shared<merge::StandInTable>();
  std::vector<std::vector<int32_t>> maps(num_models);
  for (int32_t row = 0; row < kRows + 5; ++row) {
    bool lacks = false;
    for (auto& map : maps) {
      map.push_back(random.below(4) == 0 ? -1 : static_cast<int32_t>(random.below(kRows)));
      lacks = lacks || map.back() < 0;
    }
    if (!lacks) continue;
    table->rows.push_back(row);
    for (uint64_t owners = random.below(3); owners > 0; --owners) {
      table->owner_models.push_back(static_cast<int32_t>(random.below(num_models)));
      table->owner_rows.push_back(static_cast<int32_t>(random.below(kRows)));
    }
    table->ends.push_back(static_cast<int32_t>(table->owner_rows.size()));
  }
  for (auto& map : maps) rows.maps.push_back(std::make_shared<const std::vector<int32_t>>(std::move(map)));
  rows.stand_ins = table;
  return rows;
}

std::string produce(const merge::Piece& piece, const std::vector<uint64_t>& cuts) {
  SilentJob job;
  merge::Workspace workspace(job);
  merge::PieceSums sums;
  std::string bytes(piece.num_bytes(), '?');
  uint64_t begin = 0;
  for (const uint64_t end : cuts) {
    std::vector<char> part(end - begin);
    piece.produce(begin, end, part.data(), workspace, sums);
    std::memcpy(bytes.data() + begin, part.data(), part.size());
    begin = end;
  }
  return bytes;
}

/// By tensor.
std::map<std::string, std::string> merged(const ConfigMergeOptions& options) {
  const ConfigMerge merge(options);
  REQUIRE(merge.problems().empty());
  std::map<std::string, std::string> all;
  for (const auto& file : merge.output().files)
    for (const auto& [name, at, piece] : file.pieces) all[name] = produce(*piece, {piece->num_bytes()});
  return all;
}

}  // namespace

TEST_CASE("a tensor has the same bytes however its chunks are cut, rows moved or not") {
  Seeded random;
  CAPTURE(random.seed);
  const TempFolder root;
  const std::vector<std::string> folders = {make_matrices(random, root, "x", DType::BF16),
                                            make_matrices(random, root, "y", DType::F32),
                                            make_matrices(random, root, "z", DType::BF16)};
  for (const char* method : {"linear", "task_arithmetic"})
    for (const bool moved : {false, true}) {
      auto options = options_of(method, folders);
      if (moved) {
        options.rows = random_rows(random, folders.size());
        for (auto& tensor : options.tensors) tensor.row_tensors.assign(folders.size(), tensor.name);
      }
      const ConfigMerge merge(options);
      REQUIRE(merge.problems().empty());
      for (const auto& [name, at, piece] : merge.output().files.front().pieces) {
        const std::string whole = produce(*piece, {piece->num_bytes()});
        for (int trial = 0; trial < 5; ++trial) {
          std::vector<uint64_t> cuts;
          for (uint64_t end = piece->granule(); end < piece->num_bytes(); end += piece->granule())
            if (random.below(70) == 0) cuts.push_back(end);
          cuts.push_back(piece->num_bytes());
          CHECK(produce(*piece, cuts) == whole);
        }
      }
    }
}

TEST_CASE("draws of a tensor depend neither on the order of tensors nor on that of the work") {
  Seeded random;
  CAPTURE(random.seed);
  const TempFolder root;
  const std::vector<std::string> folders = {make_matrices(random, root, "x", DType::BF16),
                                            make_matrices(random, root, "y", DType::BF16)};
  for (const bool compat : {false, true}) {
    auto forwards = options_of("dare_linear", folders),
         backwards = options_of("dare_linear", folders, {"c", "b", "a"});
    for (auto* options : {&forwards, &backwards}) {
      options->compat = compat;
      if (compat)
        for (auto& tensor : options->tensors) tensor.working_dtype = "BF16";
    }
    const auto one = merged(forwards), two = merged(backwards);
    CHECK(one == two);
    CHECK(one.at("a") != one.at("b"));
    forwards.seed = 8;
    CHECK(merged(forwards) != one);
  }
}

TEST_CASE("a merge written to a folder is what its pieces give, and its check finds a changed byte") {
  Seeded random;
  CAPTURE(random.seed);
  const TempFolder root;
  const std::vector<std::string> folders = {make_matrices(random, root, "x", DType::BF16),
                                            make_matrices(random, root, "y", DType::BF16)};
  auto options = options_of("ties", folders);
  options.max_shard_bytes = 1000;
  const ConfigMerge merge(options);
  CHECK(merge.num_shards() == 3);
  fs::create_directory(root / "out");
  SilentJob job;
  const auto report = merge.run(root / "out", job, 2);
  CHECK(report.tensors_merged == 3);
  CHECK(report.bytes_written == merge.bytes_to_write());
  CHECK(merge.check(root / "out", 100, 1, job).mismatches.empty());
  const std::string shard = (fs::path(root / "out") / "model-00002-of-00003.safetensors").string();
  std::string bytes = slurp(shard);
  bytes[bytes.size() - 7] ^= 1;
  fs::remove(shard);
  spill(shard, bytes);
  const auto found = merge.check(root / "out", 100, 1, job).mismatches;
  REQUIRE(found.size() == 1);
  CHECK(found[0].offset == bytes.size() - 7);
}

TEST_CASE("headers that speak against a merge are told by tensor and model") {
  Seeded random;
  const TempFolder root;
  const std::string x = make_matrices(random, root, "x", DType::BF16);
  const std::string wide = make_matrices(random, root, "wide", DType::BF16, 2 * kColumns);
  const auto codes = [](const ConfigMergeOptions& options) {
    const ConfigMerge merge(options);
    std::vector<std::string> all;
    for (const Error& problem : merge.problems()) all.push_back(problem.code());
    return all;
  };
  CHECK(codes(options_of("linear", {x, wide})) == std::vector<std::string>{"ERR_SHAPE_MISMATCH"});
  CHECK(codes(options_of("linear", {x}, {"a", "d"})) == std::vector<std::string>{"ERR_MISSING_TENSOR"});
  auto narrow = options_of("linear", {x});
  narrow.tensors[0].dtype = "F8_E4M3";
  CHECK(codes(narrow) == std::vector<std::string>{"ERR_DTYPE"});
  const ConfigMerge merge(options_of("linear", {x, wide}));
  CHECK(merge.problems()[0].message().find("[2500, 16]") != std::string::npos);
  CHECK(merge.problems()[0].message().find("[2500, 32]") != std::string::npos);
  SilentJob job;
  CHECK(caught([&] { merge.run(root.path(), job, 1); }).code() == "ERR_SHAPE_MISMATCH");
}

TEST_CASE("a model that only lends rows has their width and a dtype that is read, and may have more rows") {
  Seeded random;
  CAPTURE(random.seed);
  const TempFolder root;
  const std::string x = make_matrices(random, root, "x", DType::BF16);
  std::vector<int32_t> own(kRows);
  std::iota(own.begin(), own.end(), 0);
  own[4] = -1;  // the lender's row 3
  const auto map = std::make_shared<const std::vector<int32_t>>(own);
  const auto lent_by = [&](const std::string& name, const std::vector<int64_t>& shape, DType dtype,
                           const char* tensor = "a") {
    size_t bytes = static_cast<size_t>(dtype_width(dtype));
    for (const int64_t size : shape) bytes *= static_cast<size_t>(size);
    make_model(root / name, {{{tensor, dtype, shape}, std::string(bytes, '\1')}});
    auto options = options_of("linear", {x}, {"a"});
    options.models.push_back({root / name, false, std::nullopt});
    options.tensors[0].row_tensors = {"a", "a"};
    const merge::StandInTable table{{4}, {1}, {1}, {3}};
    options.rows = {{map, map}, std::make_shared<merge::StandInTable>(table)};
    return options;
  };
  const auto code = [&](const ConfigMergeOptions& options) {
    const ConfigMerge merge(options);
    REQUIRE(merge.problems().size() == 1);
    CHECK(merge.problems()[0].message().find("a in " + options.models[1].folder) != std::string::npos);
    return merge.problems()[0].code();
  };
  CHECK(code(lent_by("wide", {kRows, 2 * kColumns}, DType::BF16)) == "ERR_SHAPE_MISMATCH");
  CHECK(code(lent_by("narrow", {kRows, kColumns / 2}, DType::BF16)) == "ERR_SHAPE_MISMATCH");
  CHECK(code(lent_by("vector", {kRows}, DType::BF16)) == "ERR_SHAPE_MISMATCH");
  CHECK(code(lent_by("doubles", {kRows, kColumns}, DType::F64)) == "ERR_DTYPE");
  CHECK(code(lent_by("integers", {kRows, kColumns}, DType::I8)) == "ERR_DTYPE");
  CHECK(code(lent_by("other", {kRows, kColumns}, DType::BF16, "b")) == "ERR_MISSING_TENSOR");
  const std::string fits = merged(lent_by("more", {kRows + 7, kColumns}, DType::BF16)).at("a");
  CHECK(fits.substr(4 * kColumns * 2, kColumns * 2) == std::string(kColumns * 2, '\1'));
}

TEST_CASE("values that are not finite are counted where a tensor is passed through as it is") {
  Seeded random;
  CAPTURE(random.seed);
  const TempFolder root;
  std::vector<float> values(40, 1.5f);
  values[3] = std::numeric_limits<float>::quiet_NaN();
  values[17] = std::numeric_limits<float>::infinity();
  values[39] = -values[17];
  for (const DType dtype : {DType::BF16, DType::F32, DType::F16}) {
    std::string bytes(values.size() * static_cast<size_t>(dtype_width(dtype)), '\0');
    merge::store_floats(dtype, values.data(), values.size(), bytes.data());
    const std::string folder = root / dtype_name(dtype), out = folder + "-out";
    make_model(folder, {{{"a", dtype, {4, 10}}, bytes}});
    auto options = options_of("linear", {folder}, {"a"});
    options.method = "passthrough";
    options.tensors[0].dtype = dtype_name(dtype);
    const ConfigMerge merge(options);
    fs::create_directory(out);
    SilentJob job;
    const auto report = merge.run(out, job, 1);
    CHECK(report.tensors_copied == 1);
    CHECK(report.num_nonfinite == 3);
    CHECK(merged(options).at("a") == bytes);
  }
}

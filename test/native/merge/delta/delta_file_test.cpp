#include "merge/delta/delta_file.h"

#include <cmath>
#include <cstring>

#include "delta_fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;

namespace {

MadeTensor& part(std::vector<MadeTensor>& parts, const std::string& name) {
  return *std::find_if(parts.begin(), parts.end(), [&](const auto& made) { return made.spec.name == name; });
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// How a file of these parts is refused when it is opened and read.
Error refused(const std::string& path, const std::vector<MadeTensor>& parts,
              const checkpoint::Metadata& metadata) {
  std::filesystem::remove(path);
  spill(path, make_file_bytes(parts, metadata));
  return caught([&] {
    const auto file = merge::DeltaFile::open(path);
    for (const auto& entry : file.tensors()) {
      std::vector<float> values(entry.num_elements());
      file.read(entry.name, 0, values.size(), values.data());
    }
  });
}

}  // namespace

TEST_CASE("files that are no delta, or of another version, are refused") {
  const TempFolder folder;
  const std::vector<MadeTensor> plain = {{{"w", DType::F32, {1}}, "1234"}};
  const Error model = refused(folder / "d", plain, {{"format", "pt"}});
  CHECK(model.code() == "ERR_DELTA");
  CHECK(model.message().find("expected a delta, received safetensors of format 'pt'") != std::string::npos);
  CHECK(model.hint() == "Make one with `tongueforge delta extract`.");
  const Error later = refused(folder / "d", plain, {{"format", merge::kDeltaFormat}, {"version", "7"}});
  CHECK(later.code() == "ERR_DELTA");
  CHECK(later.message().find("expected version 1 or 2, received '7'") != std::string::npos);
  CHECK(!later.hint().empty());
}

TEST_CASE("what no encoder writes is refused by tensor and reason") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const TempFolder folder;
  const Difference tensor = random_difference(random, "w", {6, 10});
  struct Case {
    const char* codec;
    std::function<void(std::vector<MadeTensor>&)> spoil;
    const char* reason;
  };
  const auto cut_off = [](const char* name) {
    return [name](std::vector<MadeTensor>& parts) { part(parts, name) = parts.back(), parts.pop_back(); };
  };
  const std::vector<Case> cases = {
      {"dense", [](auto& p) { p[0].spec.dtype = DType::I32; }, "expected F32, received I32"},
      {"topk", cut_off("w:values"), "expected the parts of one format, received"},
      {"topk", [](auto& p) { part(p, "w:columns").spec.dtype = DType::I16; },
       "as many F32 values as U16 columns"},
      {"topk", [](auto& p) { part(p, "w:shape").bytes = bytes_of(std::vector<int64_t>{-6, 10}); },
       "a shape that a tensor can have"},
      {"topk", [](auto& p) { part(p, "w:shape").bytes = bytes_of(std::vector<int64_t>{7, 10}); },
       "expected row_starts of 7 rows"},
      {"topk",
       [](auto& p) { part(p, "w:row_starts").bytes = bytes_of(std::vector<int64_t>{0, 9, 1, 2, 3, 4, 6}); },
       "to rise from 0 to 6"},
      {"topk",
       [](auto& p) { part(p, "w:columns").bytes = bytes_of(std::vector<uint16_t>{10, 10, 10, 10, 10, 10}); },
       "expected columns to rise below 10"},
      {"topk",
       [](auto& p) { p.push_back({{"w:own_rows", DType::I64, {1}}, bytes_of(std::vector<int64_t>{2})}); },
       "expected rows of the chat model's own"},
      {"topk", [](auto& p) { part(p, "w:shape").spec = {"w:shape", DType::U64, {2}}; },
       "to be I64 with one dimension"},
      {"topk", [](auto& p) { part(p, "w:shape").spec.shape = {1, 2}; }, "to be I64 with one dimension"},
      {"topk", [](auto& p) { part(p, "w:shape").bytes = bytes_of(std::vector<int64_t>{INT64_MAX, 10}); },
       "a shape that a tensor can have"},
      {"topk", [](auto& p) { part(p, "w:shape").bytes = bytes_of(std::vector<int64_t>{6, 0}); },
       "as many F32 values"},
      {"topk", [](auto& p) { part(p, "w:shape").bytes = bytes_of(std::vector<int64_t>{1, 65537}); },
       "as many F32 values as U32 columns"},
      {"topk", [](auto& p) { part(p, "w:values").spec.shape = {2, 3}; }, "as many F32 values as U16 columns"},
      {"topk", [](auto& p) { part(p, "w:columns").spec.shape = {5}, part(p, "w:columns").bytes.resize(10); },
       "as many F32 values as U16 columns"},
      {"topk",
       [](auto& p) { part(p, "w:row_starts").bytes = bytes_of(std::vector<int64_t>{1, 1, 2, 3, 4, 5, 6}); },
       "to rise from 0 to 6"},
      {"topk",
       [](auto& p) { part(p, "w:row_starts").bytes = bytes_of(std::vector<int64_t>{0, 1, 2, 3, 4, 5, 5}); },
       "to rise from 0 to 6"},
      {"topk",
       [](auto& p) {
         part(p, "w:row_starts").bytes = bytes_of(std::vector<int64_t>{0, 6, 6, 6, 6, 6, 6});
         part(p, "w:columns").bytes = bytes_of(std::vector<uint16_t>{0, 1, 2, 2, 3, 4});
       },
       "expected columns to rise below 10"},
      {"dense", [](auto& p) { p.push_back({{"w:base", DType::F16, {1}}, "12"}); },
       "expected the samples of the base"},
      {"dense", [](auto& p) { p.push_back({{"w:base", DType::F32, {1, 1}}, "1234"}); },
       "expected the samples of the base"},
      {"dense", [](auto& p) { p[0].spec.name = "w:own", p[0].spec.shape = {6, 10}; },
       "expected the parts of one format, received none"},
      {"lowrank", [](auto& p) { part(p, "w:left").spec.shape = {1, 6}; }, "expected left (rows, rank)"},
      {"lowrank", [](auto& p) { part(p, "w:left").spec.shape = {6}; }, "expected left (rows, rank)"},
      {"lowrank", [](auto& p) { part(p, "w:right").spec.shape = {10}; }, "expected left (rows, rank)"},
      {"lowrank", [](auto& p) { part(p, "w:right").spec.dtype = DType::I32; }, "expected left (rows, rank)"},
      {"lowrank", [](auto& p) { part(p, "w:left").spec.dtype = part(p, "w:right").spec.dtype = DType::U32; },
       "expected left (rows, rank)"},
      {"lowrank", [](auto& p) { part(p, "w:left") = {{"w:left", DType::F32, {0, 1}}, ""}; },
       "expected left (rows, rank)"},
      {"lowrank", [](auto& p) { part(p, "w:right") = {{"w:right", DType::F32, {1, 0}}, ""}; },
       "expected left (rows, rank)"},
      {"int8", [](auto& p) { part(p, "w:scales").spec.dtype = DType::I32; }, "to fit a row of 10 values"},
      {"int8", [](auto& p) { part(p, "w:scales").spec.shape = {12, 1}; }, "to fit a row of 10 values"},
      {"int4", [](auto& p) { part(p, "w:shape").bytes = bytes_of(std::vector<int64_t>{6, 13}); },
       "to fit a row of 13 values"},
  };
  for (const auto& [codec, spoil, reason] : cases) {
    merge::DeltaSettings settings = settings_of(codec);
    settings.rank = 1;
    settings.group = 5;
    auto parts = encoded(tensor, settings);
    spoil(parts);
    const Error error = refused(folder / "d", parts, delta_metadata(settings));
    INFO(codec, ": ", error.message());
    CHECK(error.code() == "ERR_DELTA");
    CHECK(error.message().find(reason) != std::string::npos);
    CHECK(detail(error, "tensor") == "w");
    CHECK(!error.hint().empty());
  }
}

TEST_CASE("quantised groups need their size among the metadata") {
  Seeded random;
  const TempFolder folder;
  const auto parts = encoded(random_difference(random, "w", {6, 10}), settings_of("int8"));
  for (const char* group : {"", "0", "-4", "64 "}) {
    const Error error =
        refused(folder / "d", parts,
                {{"format", merge::kDeltaFormat}, {"version", merge::kUnsummedVersion}, {"group", group}});
    CHECK(error.code() == "ERR_DELTA");
    CHECK(error.message().find("a whole number 'group' above zero") != std::string::npos);
  }
}

TEST_CASE("a tensor that is not there is named") {
  Seeded random;
  const TempFolder folder;
  const auto file = make_delta(folder / "d", {random_difference(random, "w", {2, 2})}, settings_of("dense"));
  float value;
  const Error error = caught([&] { file.read("v", 0, 1, &value); });
  CHECK(error.code() == "ERR_MISSING_TENSOR");
  CHECK(error.message().find("expected a tensor v") != std::string::npos);
  CHECK(file.find("v") == nullptr);
}

TEST_CASE("rows of the chat model's own are a matrix of its width, their numbers rise within it") {
  const TempFolder folder;
  const MadeTensor matrix = {{"w", DType::F32, {3, 2}}, std::string(24, '\0')};
  const auto own = [](std::vector<int64_t> shape, DType dtype = DType::F32) {
    return MadeTensor{{"w:own", dtype, shape}, std::string(merge::count_elements(shape) * 4, '\0')};
  };
  const auto rows = [](std::vector<int64_t> numbers) {
    return MadeTensor{{"w:own_rows", DType::I64, {static_cast<int64_t>(numbers.size())}}, bytes_of(numbers)};
  };
  const auto metadata = delta_metadata(settings_of("dense"));
  const std::vector<std::vector<MadeTensor>> wrong = {
      {{{"w", DType::F32, {6}}, std::string(24, '\0')}, own({1, 2}), rows({0})},
      {matrix, own({1, 2})},
      {matrix, own({1, 3}), rows({0})},
      {matrix, own({1, 2}, DType::I32), rows({0})},
      {matrix, own({2, 2}), rows({1, 1})},
      {matrix, own({2, 2}), rows({2, 1})},
      {matrix, own({1, 2}), rows({-1})},
      {matrix, own({1, 2}), rows({3})}};
  for (const auto& parts : wrong) {
    const Error error = refused(folder / "d", parts, metadata);
    CHECK(error.code() == "ERR_DELTA");
    CHECK(error.message().find("expected rows of the chat model's own") != std::string::npos);
  }
  for (const auto& parts :
       {std::vector{matrix, own({2, 2}), rows({0, 2})}, {matrix, own({0, 2}), rows({})}}) {
    std::filesystem::remove(folder / "d");
    spill(folder / "d", make_file_bytes(parts, metadata));
    const auto file = merge::DeltaFile::open(folder / "d");
    const merge::DeltaEntry& entry = *file.find("w");
    CHECK(entry.own_rows.size() == static_cast<uint64_t>(parts[1].spec.shape[0]));
    CHECK(file.samples(entry).empty());
    std::vector<float> value(1);
    CHECK_NOTHROW(file.read("w", 5, 1, value.data()));
  }
}

TEST_CASE("differences of one value, of none and of long rows come back") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (const char* codec : {"dense", "topk"}) {
    const TempFolder folder;
    merge::DeltaSettings settings = settings_of(codec);
    settings.density = 1;
    const std::vector<Difference> tensors = {
        random_difference(random, "a", {}), random_difference(random, "b", {0, 3}),
        random_difference(random, "c", {3, 0}), random_difference(random, "d", {2, 65'537})};
    const auto file = make_delta(folder / "d", tensors, settings);
    for (const Difference& tensor : tensors) {
      CAPTURE(tensor.name);
      CHECK(file.find(tensor.name)->shape == tensor.shape);
      CHECK(all_of(file, tensor.name) == tensor.values);
    }
    CHECK(file.find("e") == nullptr);
  }
  CHECK(caught([] { merge::count_elements({INT64_MAX, 4}); }).code() == "ERR_INTERNAL");
}

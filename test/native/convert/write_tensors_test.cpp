// Tensors of files of torch as the safetensors of a model folder, and what is no such thing.
#include "convert/write_tensors.h"

#include "checkpoint/fixtures.h"
#include "checkpoint/made_torch.h"
#include "checkpoint/model_weights.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using convert::ConvertedTensor;
using convert::TorchSource;

namespace {

/// A weight of 2 x 2, a mask of it, one of 4, and one of whole numbers: ids 0 to 3.
std::shared_ptr<TorchSource> opened(const TempFolder& folder) {
  const std::string pickle =
      pickled(dict({{"weight", tensor(storage("0", 4), 0, {2, 2}, {2, 1})},
                    {"mask", tensor(storage("1", 4), 0, {2, 2}, {2, 1})},
                    {"long", tensor(storage("1", 4), 0, {4}, {1})},
                    {"whole", tensor(storage("2", 4, "IntStorage"), 0, {2, 2}, {2, 1})}}));
  spill(folder / "a.pt",
        torch_bytes(pickle, {floats({1, -2, 3, -4}), floats({1, 0, 0, 1}), floats({0, 0, 0, 0})}));
  SilentJob job;
  return TorchSource::open({folder / "a.pt"}, job);
}

std::string bytes_of(const checkpoint::ModelWeights& weights, const std::string& name) {
  const checkpoint::Weight& weight = weights.at(name);
  std::string bytes(weight.info->num_bytes(), '\0');
  weight.file->read(*weight.info, bytes.data());
  return bytes;
}

}  // namespace

TEST_CASE(
    "convert: tensors are written under their names, a masked one as its product, over shards with an "
    "index") {
  const TempFolder folder;
  const auto source = opened(folder);
  for (const uint64_t most : {UINT64_MAX, uint64_t{16}}) {
    const std::string out = folder / std::to_string(most);
    std::filesystem::create_directory(out);
    SilentJob job;
    const auto told = convert::write_tensors(*source, {{"a", 0, 0, {}}, {"b", 0, 0, 1}}, out, most, job);
    CHECK(told.num_files == (most == 16 ? 2 : 1));
    CHECK(told.bytes_written == 32);
    CHECK(told.bytes_read == 48);
    const auto weights = checkpoint::ModelWeights::open(out);
    CHECK(bytes_of(weights, "a") == floats({1, -2, 3, -4}));
    CHECK(bytes_of(weights, "b") == floats({1, -0.0f, 0, -4}));
  }
}

TEST_CASE("convert: a mask of another shape or type, and a tensor that is not there, are refused by name") {
  const TempFolder folder;
  const auto source = opened(folder);
  SilentJob job;
  const auto refused = [&](const ConvertedTensor& tensor) {
    const TempFolder out;
    return caught([&] { convert::write_tensors(*source, {tensor}, out.path(), UINT64_MAX, job); });
  };
  const Error shape = refused({"w", 0, 0, 2});
  CHECK(shape.code() == "ERR_SHAPE_MISMATCH");
  CHECK(detail(shape, "tensor") == "w");
  CHECK(refused({"w", 0, 0, 3}).code() == "ERR_DTYPE");
  CHECK(refused({"w", 0, 3, 1}).code() == "ERR_DTYPE");
  CHECK(refused({"w", 0, 4, {}}).code() == "ERR_INTERNAL");
  CHECK(refused({"w", 1, 0, {}}).code() == "ERR_INTERNAL");
}

TEST_CASE("convert: a source that is written to meanwhile is noticed, a job that is cancelled ends") {
  const TempFolder folder, out;
  const auto source = opened(folder);
  CancelAfter cancelled(0);
  CHECK_THROWS_AS(convert::write_tensors(*source, {{"a", 0, 0, {}}}, out.path(), UINT64_MAX, cancelled),
                  Cancelled);
  std::filesystem::resize_file(folder / "a.pt", std::filesystem::file_size(folder / "a.pt") + 1);
  const TempFolder other;
  SilentJob job;
  CHECK(caught([&] {
          convert::write_tensors(*source, {{"a", 0, 0, {}}}, other.path(), UINT64_MAX, job);
        }).code() == "ERR_INPUT_CHANGED");
}

TEST_CASE(
    "convert: a description names tensors by their keys, whole numbers as text, and passes over __proto__") {
  const TempFolder folder;
  const std::string one = tensor(storage("0", 4), 0, {4}, {1});
  spill(folder / "a.pt", torch_bytes(pickled("}(" + text("__proto__") + one + integer(7) + one + "G" +
                                             std::string(8, '\0') + one + text("w") + one + "u"),
                                     {floats({1, 2, 3, 4})}));
  const Value described = convert::describe(checkpoint::TorchFile::open(folder / "a.pt"));
  const auto of = [](const Value& map, const std::string& key) -> const Value& {
    for (const auto& [name, item] : std::get<Value::Map>(map.data))
      if (name == key) return item;
    throw Error("ERR_INTERNAL", key);
  };
  std::vector<std::string> paths;
  for (const Value& one_tensor : std::get<Value::List>(of(described, "tensors").data))
    paths.push_back(std::get<std::string>(std::get<Value::List>(of(one_tensor, "path").data).at(0).data));
  CHECK(paths == std::vector<std::string>{"7", "?", "w"});
}

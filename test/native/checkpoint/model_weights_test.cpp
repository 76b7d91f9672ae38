#include "checkpoint/model_weights.h"

#include <sys/stat.h>

#include "checkpoint/shard_index.h"
#include "fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using checkpoint::ModelWeights;

namespace {

const std::vector<MadeTensor> kTensors = {
    {{"a", DType::U8, {4}}, "aaaa"}, {{"b", DType::U8, {4}}, "bbbb"}, {{"c", DType::U8, {4}}, "cccc"}};

std::string first_shard() { return "model-00001-of-00002.safetensors"; }

/// A folder of two shards (a, b | c) with another index than the right one.
struct Sharded {
  TempFolder folder;
  Sharded() { make_model(folder.path(), kTensors, 8); }
  std::string index() const { return folder / checkpoint::kIndexFileName; }
  void replace(const std::string& from, const std::string& to) const {
    std::string text = slurp(index());
    const size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    spill(index(), text.replace(at, from.size(), to));
  }
  Error refusal() const {
    return caught([&] { ModelWeights::open(folder.path()); });
  }
};

std::string read(const ModelWeights& weights, const std::string& name) {
  std::string bytes(weights.at(name).num_bytes(), '\0');
  weights.at(name).read(bytes.data());
  return bytes;
}

std::string index_of(const std::string& map, const std::string& metadata = "{}") {
  return "{\"metadata\":" + metadata + ",\"weight_map\":" + map + "}";
}

std::string index_refusal(const std::string& text) {
  const Error error = caught([&] { checkpoint::parse_shard_index(text, "i.json"); });
  CHECK(error.code() == "ERR_SHARD_INDEX");
  CHECK(detail(error, "file") == "i.json");
  CHECK(detail(error, "offset").find_first_not_of("0123456789") == std::string::npos);
  return detail(error, "reason");
}

}  // namespace

TEST_CASE("a model is the same in one file and in shards") {
  const TempFolder folder;
  make_model(folder / "one", kTensors);
  make_model(folder / "many", kTensors, 4);
  for (const char* name : {"one", "many"}) {
    ModelWeights opened = ModelWeights::open(folder / name);
    const ModelWeights weights = std::move(opened);  // pointers survive a move
    CHECK(weights.tensors().size() == 3);
    CHECK(weights.total_bytes() == 12);
    CHECK(weights.is_sharded() == (name == std::string("many")));
    CHECK(weights.files().size() == (weights.is_sharded() ? 3 : 1));
    CHECK(read(weights, "a") + read(weights, "b") + read(weights, "c") == "aaaabbbbcccc");
    CHECK(weights.find("d") == nullptr);
    CHECK_NOTHROW(weights.check_unchanged());
    const Error error = caught([&] { weights.at("d"); });
    CHECK(error.code() == "ERR_MISSING_TENSOR");
    CHECK(detail(error, "tensor") == "d");
  }
}

TEST_CASE("where a single file and an index exist, the single file wins") {
  const Sharded model;
  spill(model.folder / "model.safetensors", make_file_bytes({{{"only", DType::U8, {1}}, "x"}}));
  const ModelWeights weights = ModelWeights::open(model.folder.path());
  CHECK_FALSE(weights.is_sharded());
  CHECK(read(weights, "only") == "x");
}

TEST_CASE("links are followed and their targets named") {
  const TempFolder folder;
  make_model(folder / "blobs", kTensors);
  std::filesystem::create_directory(folder / "model");
  std::filesystem::create_symlink("../blobs/model.safetensors", folder / "model/model.safetensors");
  const ModelWeights weights = ModelWeights::open(folder / "model");
  CHECK(weights.files()[0].real_path == std::filesystem::canonical(folder / "blobs/model.safetensors"));
  CHECK(weights.files()[0].name == "model.safetensors");
}

TEST_CASE("a folder without weights says what it has instead") {
  const TempFolder folder;
  const auto refusal = [&] { return caught([&] { ModelWeights::open(folder.path()); }); };
  CHECK(refusal().code() == "ERR_NOT_FOUND");
  spill(folder / "pytorch_model.bin", "");
  CHECK(refusal().message().find("pytorch_model.bin") != std::string::npos);
  CHECK(refusal().hint().find("tongueforge convert ") != std::string::npos);
  for (const char* name : {"a.pt", "a.pth", "a.ckpt", "a.pkl"}) {
    spill(folder / name, "");
    CHECK(refusal().message().find(name) != std::string::npos);
  }
  spill(folder / "other.safetensors", "");
  CHECK(refusal().hint().find("Rename") != std::string::npos);
}

TEST_CASE("a missing folder is not found, and a hub id gets its download command") {
  const Error hub = caught([] { ModelWeights::open("meta-llama/Llama-2-7b-hf"); });
  CHECK(hub.code() == "ERR_NOT_FOUND");
  CHECK(hub.hint().find("hf download meta-llama/Llama-2-7b-hf --local-dir Llama-2-7b-hf") !=
        std::string::npos);
  for (const char* id : {"org/my_model-1.5", "a.b/c"})
    CHECK(caught([&] { ModelWeights::open(id); }).hint().find(str("hf download ", id)) != std::string::npos);
  for (const char* path : {"/no/such/folder", "./no/such", "no-such", "../no/such", "no such/model",
                           "no/such model", "no/such/model", "no-such/"}) {
    const Error error = caught([&] { ModelWeights::open(path); });
    CHECK(error.code() == "ERR_NOT_FOUND");
    CHECK(error.hint() == "Check the path.");
  }
  const TempFolder folder;
  spill(folder / "file", "");
  CHECK(caught([&] { ModelWeights::open(folder / "file"); }).message().find("received a file") !=
        std::string::npos);
}

TEST_CASE("file names of an index are bare names of its folder") {
  for (const char* name : {"../x.safetensors", "/x.safetensors", "a/x.safetensors", "a\\\\x.safetensors",
                           ".x.safetensors", "x.bin", "", "x.safetensors ", "C:x.safetensors",
                           "x\\u0000.safetensors", "-x.safetensors", "\\u00e9.safetensors"}) {
    CAPTURE(name);
    CHECK(index_refusal(index_of("{\"a\":\"" + std::string(name) + "\"}")) == "bad_file_name");
  }
  const std::string longest = std::string(243, 'a') + ".safetensors";
  CHECK_NOTHROW(checkpoint::parse_shard_index(index_of("{\"a\":\"" + longest + "\"}"), "i.json"));
  CHECK(index_refusal(index_of("{\"a\":\"a" + longest + "\"}")) == "bad_file_name");
  // Numbers that are none, or longer than any count of files: names like others.
  for (const char* name :
       {"m_1-of-2.safetensors", "m--of-00002.safetensors", "m-0000000001-of-00002.safetensors"}) {
    const auto index =
        checkpoint::parse_shard_index(index_of("{\"b\":\"" + std::string(name) + "\"}"), "i.json");
    CHECK(index.find("b") != nullptr);
    CHECK(index.find("a") == nullptr);
    CHECK(index.find("c") == nullptr);
  }
}

TEST_CASE("an index is refused for what its text alone shows") {
  CHECK(index_refusal("[]") == "root_not_object");
  CHECK(index_refusal("{}") == "no_weight_map");
  CHECK(index_refusal(index_of("{}")) == "no_weight_map");
  CHECK(index_refusal(index_of("[]")) == "weight_map_not_object");
  CHECK(index_refusal(index_of("{\"a\":1}")) == "file_not_string");
  CHECK(index_refusal(index_of("{\"a\":\"x.safetensors\",\"\\u0061\":\"y.safetensors\"}")) ==
        "duplicate_name");
  CHECK(index_refusal("{\"weight_map\":{},\"weight_map\":{}}") == "duplicate_field");
  CHECK(index_refusal(index_of("{\"a\":\"x.safetensors\"}", "[]")) == "metadata_not_object");
  CHECK(index_refusal(index_of("{\"a\":\"x.safetensors\"}", "{\"total_size\":1.5}")) ==
        "not_unsigned_integer");
  CHECK(index_refusal(index_of("{\"a\":\"x.safetensors\"}", "{\"k\":1,\"k\":2}")) == "duplicate_field");
  CHECK(index_refusal(index_of("{\"a\":\"x.safetensors\"}", "{\"k\":" + std::string(100'000, '[') + "}")) ==
        "nesting");
  CHECK(index_refusal(index_of("{\"a\":\"x.safetensors\"}") + "{}") == "text_after_end");
  CHECK(index_refusal(index_of("{\"a\":\"m-00001-of-00002.safetensors\"}")) == "incomplete_shards");
  CHECK(index_refusal(
            index_of("{\"a\":\"m-00001-of-00002.safetensors\",\"b\":\"m-00002-of-00003.safetensors\"}")) ==
        "incomplete_shards");
}

TEST_CASE("an index has at most 10,000 files") {
  std::string map = "{";
  for (int i = 0; i <= 10'000; ++i) map += str(i ? "," : "", "\"t", i, "\":\"f", i, ".safetensors\"");
  CHECK(index_refusal(index_of(map + "}")) == "too_many_shards");
}

TEST_CASE("metadata that nobody reads is accepted in an index") {
  const auto index = checkpoint::parse_shard_index(
      index_of("{\"a\":\"x.safetensors\"}", "{\"total_parameters\":1e9,\"nested\":{\"k\":[null]}}"),
      "i.json");
  CHECK(index.files == std::vector<std::string>{"x.safetensors"});
  CHECK_FALSE(index.total_size);
}

TEST_CASE("index and shards must agree") {
  const auto check = [](const Sharded& model, const char* reason, const char* tensor) {
    const Error error = model.refusal();
    CHECK(error.code() == "ERR_SHARD_INDEX");
    CHECK(detail(error, "reason") == reason);
    CHECK(detail(error, "file") == model.index());
    if (tensor) CHECK(detail(error, "tensor") == tensor);
  };
  SUBCASE("a tensor that the shard lacks") {
    const Sharded model;
    model.replace("\"a\":", "\"z\": \"" + first_shard() + "\", \"a\":");
    check(model, "tensor_not_in_shard", "z");
  }
  SUBCASE("a tensor that the index lacks") {
    const Sharded model;
    model.replace("\"a\": \"" + first_shard() + "\",", "");
    check(model, "tensor_not_in_index", "a");
  }
  SUBCASE("a tensor in another shard than the index says") {
    const Sharded model;
    model.replace("\"a\": \"model-00001", "\"a\": \"model-00002");
    check(model, "tensor_in_other_shard", "a");
  }
  SUBCASE("a tensor in two shards") {
    const Sharded model;
    spill(model.folder / first_shard(), make_file_bytes({kTensors[0], kTensors[1], kTensors[2]}));
    check(model, "tensor_in_other_shard", "c");
  }
  SUBCASE("another total size") {
    const Sharded model;
    model.replace("12", "13");
    check(model, "total_size_mismatch", nullptr);
  }
  SUBCASE("a shard that is not there") {
    const Sharded model;
    std::filesystem::remove(model.folder / first_shard());
    check(model, "missing_shard", nullptr);
  }
}

TEST_CASE("a shard that is a pipe does not block") {
  const Sharded model;
  std::filesystem::remove(model.folder / first_shard());
  REQUIRE(::mkfifo((model.folder / first_shard()).c_str(), 0600) == 0);
  CHECK(model.refusal().code() == "ERR_IO");
}

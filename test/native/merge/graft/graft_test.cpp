#include "merge/graft/graft.h"

#include <chrono>
#include <cstring>
#include <thread>

#include "../../checkpoint/fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using checkpoint::ModelWeights;
namespace fs = std::filesystem;

namespace {

constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kHead = "lm_head.weight";

struct Row {
  std::string name;
  std::vector<int64_t> shape;
};

const std::vector<Row> kLayout = {{kEmbedding, {20, 8}},
                                  {"model.layers.0.self_attn.q_proj.weight", {8, 8}},
                                  {"model.layers.0.mlp.up_proj.weight", {24, 8}},
                                  {"model.layers.0.input_layernorm.weight", {8}},
                                  {kHead, {20, 8}}};

std::string random_values(Seeded& random, DType dtype, size_t count) {
  std::normal_distribution<float> normal(0.0f, 0.05f);
  std::string bytes;
  for (size_t i = 0; i < count; ++i) {
    const float value = normal(random.engine);
    const uint32_t bits = dtype == DType::F32    ? std::bit_cast<uint32_t>(value)
                          : dtype == DType::BF16 ? float_to_bf16(value)
                                                 : float_to_f16(value);
    bytes.append(reinterpret_cast<const char*>(&bits), static_cast<size_t>(dtype_bits(dtype) / 8));
  }
  return bytes;
}

std::vector<MadeTensor> random_model(Seeded& random, DType dtype, const std::vector<Row>& layout = kLayout) {
  std::vector<MadeTensor> tensors;
  for (const Row& row : layout) {
    size_t count = 1;
    for (const int64_t dimension : row.shape) count *= static_cast<size_t>(dimension);
    tensors.push_back({{row.name, dtype, row.shape}, random_values(random, dtype, count)});
  }
  return tensors;
}

std::vector<MadeTensor> without(std::vector<MadeTensor> tensors, const std::string& name) {
  std::erase_if(tensors, [&](const MadeTensor& tensor) { return tensor.spec.name == name; });
  return tensors;
}

MadeTensor& named(std::vector<MadeTensor>& tensors, const std::string& name) {
  return *std::find_if(tensors.begin(), tensors.end(),
                       [&](const MadeTensor& tensor) { return tensor.spec.name == name; });
}

/// What the configs say of the three heads.
struct Tied {
  bool target = false, base = false, chat = false;
};

/// Three models on disk.
struct Trio {
  TempFolder folder;

  Trio(const std::vector<MadeTensor>& t, const std::vector<MadeTensor>& b, const std::vector<MadeTensor>& c,
       uint64_t target_shard = UINT64_MAX, uint64_t base_shard = UINT64_MAX) {
    make_model(folder / "target", t, target_shard);
    make_model(folder / "base", b, base_shard);
    make_model(folder / "chat", c);
  }

  merge::GraftInputs inputs(float scale, Tied tied = {}) const {
    merge::GraftInputs inputs{{folder / "target", tied.target}, {vector(scale, tied)}, nullptr, nullptr, {}};
    return inputs;
  }

  merge::ChatVector vector(float scale, Tied tied = {}) const {
    merge::ChatVector vector{
        {folder / "base", tied.base}, {folder / "chat", tied.chat}, {}, nullptr, nullptr};
    const ModelWeights target = ModelWeights::open(folder / "target");
    for (const auto& weight : target.tensors()) vector.scales.emplace(weight.name(), scale);
    vector.scales.emplace(kHead, scale);
    return vector;
  }

  merge::Graft plan(Tied tied = {}) const { return merge::Graft(inputs(1.0f, tied)); }

  merge::GraftReport run(const merge::GraftInputs& inputs, const std::string& out = "out") const {
    SilentJob job;
    fs::create_directories(folder / out);
    return merge::Graft(inputs).run(folder / out, job);
  }
  merge::GraftReport run(float scale, Tied tied = {}, const std::string& out = "out") const {
    return run(inputs(scale, tied), out);
  }

  ModelWeights result(const std::string& out = "out") const { return ModelWeights::open(folder / out); }

  std::string bytes(const std::string& name, const std::string& out = "out") const {
    const ModelWeights model = result(out);
    std::string data(model.at(name).num_bytes(), '\0');
    model.at(name).read(data.data());
    return data;
  }
};

/// Codes of the problems, with the tensors they name.
std::string problems(const merge::Graft& plan) {
  std::string all;
  for (const Error& error : plan.problems()) all += error.code() + ": " + detail(error, "tensors") + "\n";
  return all;
}

}  // namespace

TEST_CASE("grafting nothing returns the target's files byte for byte") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (const DType dtype : {DType::BF16, DType::F16, DType::F32}) {
    const auto target = random_model(random, dtype), base = random_model(random, DType::BF16),
               chat = random_model(random, DType::F32);
    for (const uint64_t shard : {UINT64_MAX, uint64_t{600}}) {
      const Trio different(target, base, chat, shard), equal(target, base, base, shard);
      CHECK(different.run(0.0f).tensors_kept == 5);
      CHECK(equal.run(1.0f).tensors_changed == 0);
      for (const auto& entry : fs::directory_iterator(different.folder / "target")) {
        const std::string name = entry.path().filename().string();
        CHECK(slurp(different.folder / ("out/" + name)) == slurp(entry.path().string()));
        CHECK(slurp(equal.folder / ("out/" + name)) == slurp(entry.path().string()));
      }
    }
  }
}

TEST_CASE("shards and dtypes of the inputs do not change the values") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const auto target = random_model(random, DType::BF16), base = random_model(random, DType::F16),
             chat = random_model(random, DType::F32);
  const Trio one(target, base, chat), many(target, base, chat, 300, 200);
  REQUIRE(ModelWeights::open(many.folder / "target").is_sharded());
  one.run(0.8f), many.run(0.8f);
  for (const Row& row : kLayout) {
    CHECK(one.bytes(row.name) == many.bytes(row.name));
    CHECK(one.bytes(row.name) != named(const_cast<std::vector<MadeTensor>&>(target), row.name).bytes);
  }
}

TEST_CASE("a tensor above the chunk's size is grafted over all its chunks") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const size_t count = (size_t{2} << 20) + 777;
  std::vector<std::vector<MadeTensor>> models;
  for (const unsigned value : {1u, 2u, 5u}) {
    const uint16_t bits = float_to_bf16(static_cast<float>(value));
    std::string bytes;
    for (size_t i = 0; i < count; ++i) bytes.append(reinterpret_cast<const char*>(&bits), 2);
    models.push_back({{{"w", DType::BF16, {static_cast<int64_t>(count)}}, bytes}});
  }
  const Trio trio(models[0], models[1], models[2]);
  const auto report = trio.run(1.0f);  // 1 + (5 - 2) = 4
  const std::string out = trio.bytes("w");
  for (size_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, out.data() + 2 * i, 2);
    REQUIRE(bf16_to_float(bits) == 4.0f);
  }
  CHECK(number(merge::to_value(report), "tensors_changed") == 1);
}

TEST_CASE("integers and rotary tables are the target's") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  auto target = random_model(random, DType::F32), base = random_model(random, DType::F32),
       chat = random_model(random, DType::F32);
  target.push_back({{"position_ids", DType::I64, {1}}, "12345678"});
  base.push_back({{"position_ids", DType::I64, {1}}, "abcdefgh"});
  chat.push_back({{"position_ids", DType::I64, {1}}, "ijklmnop"});
  target.push_back({{"model.layers.0.self_attn.rotary_emb.inv_freq", DType::F32, {1}}, "tttt"});
  chat.push_back({{"model.layers.1.self_attn.rotary_emb.inv_freq", DType::F32, {1}}, "cccc"});
  const Trio trio(target, base, chat);
  const auto report = trio.run(1.0f);
  CHECK(report.tensors_copied == 2);
  CHECK(report.tensors_changed == 5);
  CHECK(trio.bytes("position_ids") == "12345678");
  CHECK(trio.bytes("model.layers.0.self_attn.rotary_emb.inv_freq") == "tttt");
}

TEST_CASE("missing and further tensors are refused by name, at most 20 of them") {
  Seeded random;
  auto target = random_model(random, DType::F32), base = target, chat = target;
  chat = without(chat, "model.layers.0.mlp.up_proj.weight");
  base.push_back({{"extra", DType::F32, {1}}, "1234"});
  for (int i = 0; i < 30; ++i) base.push_back({{str("z", i), DType::F32, {1}}, "1234"});
  const auto plan = Trio(target, base, chat).plan();
  REQUIRE(plan.problems().size() == 1);
  const Error& error = plan.problems()[0];
  CHECK(error.code() == "ERR_MISSING_TENSOR");
  CHECK(error.message().find("extra: in the base model, not in the target") != std::string::npos);
  CHECK(error.message().find("and 12 more") != std::string::npos);
  CHECK(detail(error, "count") == "32");
  const auto swapped = Trio(target, target, chat).plan();
  CHECK(problems(swapped) ==
        "ERR_MISSING_TENSOR:   model.layers.0.mlp.up_proj.weight: in the target, not in the chat model\n");
}

TEST_CASE("a plan with problems does not run") {
  Seeded random;
  const auto target = random_model(random, DType::F32);
  const Trio trio(target, target, without(target, kHead));
  CHECK(caught([&] { trio.run(1.0f); }).code() == "ERR_MISSING_TENSOR");
  CHECK(fs::is_empty(trio.folder / "out"));
}

TEST_CASE("other vocabularies and other shapes are told apart") {
  Seeded random;
  const auto small = random_model(random, DType::F32);
  auto layout = kLayout;
  layout[0].shape = layout[4].shape = {22, 8};
  layout[2].shape = {8, 24};
  const auto plan = Trio(random_model(random, DType::F32, layout), small, small).plan();
  REQUIRE(plan.problems().size() == 2);
  CHECK(plan.problems()[0].code() == "ERR_VOCABULARY");
  CHECK(plan.problems()[0].message().find(
            "model.embed_tokens.weight: target [22, 8], base [20, 8], chat [20, 8]") != std::string::npos);
  CHECK(plan.problems()[1].code() == "ERR_SHAPE_MISMATCH");
  CHECK(detail(plan.problems()[1], "count") == "1");
}

TEST_CASE("types that are not computed with are refused") {
  Seeded random;
  auto target = random_model(random, DType::F32), base = target, chat = target;
  named(base, kHead) = {{kHead, DType::F8_E5M2FNUZ, {20, 8}}, std::string(160, '\1')};
  const auto plan = Trio(target, base, chat).plan();
  CHECK(problems(plan) == "ERR_DTYPE:   lm_head.weight: target F32, base F8_E5M2FNUZ, chat F32\n");
}

TEST_CASE("added rows take no part in the trim of TIES") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const std::vector<Row> layout = {{kEmbedding, {20, 8}}};
  const auto target = random_model(random, DType::F32, layout),
             base = random_model(random, DType::F32, layout);
  auto chat = random_model(random, DType::F32, layout);
  const Trio shared(target, base, chat);
  const std::vector<float> large(2 * 8, 3.0f);  // larger than all differences
  const std::string own_rows(reinterpret_cast<const char*>(large.data()), large.size() * sizeof(float));
  chat[0].spec.shape = {22, 8};
  chat[0].bytes += own_rows;
  const Trio more(target, base, chat);
  auto inputs = more.inputs(0.7f);
  inputs.sparsify = {merge::Sparsify::Kind::ties, 0.3, 0};
  std::vector<int32_t> rows(22, -1), chat_rows(22);
  for (int32_t row = 0; row < 22; ++row) chat_rows[static_cast<size_t>(row)] = row;
  std::copy_n(chat_rows.begin(), 20, rows.begin());
  inputs.target_rows = inputs.vectors[0].base_rows = std::make_shared<const std::vector<int32_t>>(rows);
  inputs.vectors[0].chat_rows = std::make_shared<const std::vector<int32_t>>(chat_rows);
  std::vector<bool> added(22);
  added[20] = added[21] = true;
  inputs.added_rows = std::make_shared<const std::vector<bool>>(added);
  more.run(inputs);
  auto alone = shared.inputs(0.7f);
  alone.sparsify = inputs.sparsify;
  shared.run(alone);
  CHECK(more.bytes(kEmbedding) == shared.bytes(kEmbedding) + own_rows);
}

TEST_CASE("a tied head of base and chat is their embedding") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const auto target = random_model(random, DType::F32);
  const auto base = without(random_model(random, DType::F32), kHead),
             chat = without(random_model(random, DType::F32), kHead);
  auto base_full = base, chat_full = chat;
  base_full.push_back({{kHead, DType::F32, {20, 8}}, base[0].bytes});
  chat_full.push_back({{kHead, DType::F32, {20, 8}}, chat[0].bytes});
  const Trio tied(target, base, chat), full(target, base_full, chat_full);
  tied.run(1.0f, {.target = false, .base = true, .chat = true});
  full.run(1.0f);
  CHECK(tied.bytes(kHead) == full.bytes(kHead));
  CHECK(problems(tied.plan())
            .starts_with("ERR_MISSING_TENSOR:   lm_head.weight: in the target, not in the base model"));
}

TEST_CASE("a stored copy of a tied head is ignored") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const auto target = without(random_model(random, DType::F32), kHead),
             base = random_model(random, DType::F32);
  const auto chat = random_model(random, DType::F32);
  const Tied all_tied = {.target = true, .base = true, .chat = true};
  const Trio trio(target, base, chat);
  CHECK(problems(trio.plan(all_tied)).empty());
  CHECK(trio.run(1.0f, all_tied).tensors_changed == 4);
}

TEST_CASE("a copy of its tied head in the target stays a copy") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  auto target = random_model(random, DType::BF16);
  named(target, kHead).bytes = named(target, kEmbedding).bytes;
  const Trio trio(target, random_model(random, DType::BF16),
                  without(random_model(random, DType::BF16), kHead));
  trio.run(0.5f, {.target = true, .base = true, .chat = true});
  CHECK(trio.bytes(kHead) == trio.bytes(kEmbedding));
}

TEST_CASE("where base and chat have heads of their own, a tied target gets one") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const auto target = without(random_model(random, DType::BF16), kHead);
  const auto base = random_model(random, DType::BF16), chat = random_model(random, DType::BF16);
  auto full = target;
  full.push_back({{kHead, DType::BF16, {20, 8}}, target[0].bytes});
  for (const uint64_t shard : {UINT64_MAX, uint64_t{300}}) {
    const Trio tied(target, base, chat, shard), untied(full, base, chat, shard);
    CHECK(tied.plan({.target = true}).unties_head());
    CHECK(!tied.plan({.target = true, .base = true, .chat = true}).unties_head());
    tied.run(0.8f, {.target = true}), untied.run(0.8f);
    for (const Row& row : kLayout) CHECK(tied.bytes(row.name) == untied.bytes(row.name));
    CHECK(tied.bytes(kHead) != tied.bytes(kEmbedding));
    CHECK(tied.result().is_sharded() == (shard != UINT64_MAX));
  }
}

TEST_CASE("a stored copy of a tied head becomes the head where it is untied") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  auto target = random_model(random, DType::F32);
  named(target, kHead).bytes = std::string(20 * 8 * 4, '\7');  // stale: what acts is the embedding
  const Trio stale(target, random_model(random, DType::F32), random_model(random, DType::F32));
  stale.run(0.0f, {.target = true});
  CHECK(stale.bytes(kHead) == stale.bytes(kEmbedding));
}

TEST_CASE("the report adds up by kind of module") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const auto target = random_model(random, DType::F32), base = random_model(random, DType::F32);
  auto chat = base;
  float& first = *reinterpret_cast<float*>(named(chat, "model.layers.0.input_layernorm.weight").bytes.data());
  const float before = first;
  first += 2.0f;
  const Trio trio(target, base, chat);
  const auto report = trio.run(1.0f);
  CHECK(report.tensors_changed == 1);
  CHECK(report.tensors_kept == 4);
  const auto& norm = report.modules[static_cast<size_t>(merge::ModuleKind::Norm)];
  CHECK(norm.num_tensors == 1);
  CHECK(norm.num_elements == 8);
  CHECK(norm.sums.num_changed == 1);
  CHECK(norm.sums.delta_squared == doctest::Approx((first - before) * (first - before)));
  const auto plan = trio.plan();
  CHECK(report.bytes_read == plan.bytes_to_read());
  CHECK(report.bytes_written == plan.bytes_to_write());
  CHECK(report.bytes_written == fs::file_size(trio.folder / "target/model.safetensors"));
}

TEST_CASE("outputs that overflow are counted") {
  const uint16_t big = 0x7bff, zero = 0;  // the largest half
  const auto half = [](uint16_t bits) { return std::string(reinterpret_cast<const char*>(&bits), 2); };
  const auto model = [&](uint16_t bits) {
    return std::vector<MadeTensor>{{{"w", DType::F16, {1}}, half(bits)}};
  };
  const Trio trio(model(big), model(zero), model(big));
  CHECK(trio.run(1.0f).num_nonfinite == 1);
}

TEST_CASE("module kinds are read from names") {
  using merge::ModuleKind, merge::module_kind_of;
  CHECK(module_kind_of("model.layers.3.self_attn.q_norm.weight") == ModuleKind::Norm);
  CHECK(module_kind_of("model.layers.3.self_attn.k_proj.bias") == ModuleKind::Attention);
  CHECK(module_kind_of("bert.encoder.layer.0.attention.output.LayerNorm.weight") == ModuleKind::Norm);
  CHECK(module_kind_of("bert.encoder.layer.0.output.dense.weight") == ModuleKind::Mlp);
  CHECK(module_kind_of("bert.embeddings.word_embeddings.weight") == ModuleKind::Embedding);
  CHECK(module_kind_of("encoder.layers.0.fc1.weight") == ModuleKind::Mlp);
  CHECK(module_kind_of("final_proj.bias") == ModuleKind::Head);
  CHECK(module_kind_of(kHead) == ModuleKind::Head);
  CHECK(module_kind_of("something") == ModuleKind::Other);
}

TEST_CASE("a graft is cancelled between chunks") {
  Seeded random;
  const auto model = random_model(random, DType::F32);
  const Trio trio(model, model, model);
  fs::create_directory(trio.folder / "out");
  CancelAfter job(2);
  CHECK_THROWS_AS(trio.plan().run(trio.folder / "out", job), Cancelled);
}

TEST_CASE("progress ends at its total, and an input that is written to meanwhile is noticed") {
  struct Watcher final : Job {
    std::string path;
    Value latest;
    bool cancelled() const override { return false; }
    void emit(Value) override {}
    void progress(Value value) override {
      latest = value;
      if (path.empty()) return;
      std::string bytes = slurp(path);
      bytes.back() ^= 1;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      spill(path, bytes);
      path.clear();
    }
  };
  Seeded random;
  const auto model = random_model(random, DType::F32);
  const Trio trio(model, model, model);
  for (const char* name : {"a", "b"}) fs::create_directory(trio.folder / name);
  Watcher quiet;
  trio.plan().run(trio.folder / "a", quiet);
  CHECK(number(quiet.latest, "done_bytes") == number(quiet.latest, "total_bytes"));
  Watcher meddling;
  meddling.path = trio.folder / "chat/model.safetensors";
  const Error error = caught([&] { trio.plan().run(trio.folder / "b", meddling); });
  CHECK(error.code() == "ERR_INPUT_CHANGED");
  CHECK(detail(error, "file") == trio.folder / "chat/model.safetensors");
}

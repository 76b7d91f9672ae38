#include "merge/graft/graft.h"

#include <chrono>
#include <cstring>
#include <thread>

#include "trio.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using checkpoint::ModelWeights;
namespace fs = std::filesystem;

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

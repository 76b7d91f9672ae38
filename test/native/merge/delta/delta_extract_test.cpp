#include "merge/delta/delta_extract.h"

#include <cmath>
#include <cstring>

#include "delta_models.h"
#include "merge/delta/delta_samples.h"

using namespace tongueforge;
using namespace tongueforge::testing;
namespace fs = std::filesystem;

TEST_CASE("a dense delta is float32(chat) - float32(base), bit for bit, whatever the dtypes and shards") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const DType all[] = {DType::BF16, DType::F16, DType::F32};
  for (const DType base_dtype : all) {
    for (const DType chat_dtype : all) {
      const Values base = random_values(random, 0.05);
      const Pair pair(model_of(base, base_dtype),
                      model_of(sum(base, random_values(random, 0.01)), chat_dtype), 4000);
      const auto figures = pair.extract(pair.inputs(settings_of("dense")));
      const auto file = pair.file();
      CHECK(file.tensors().size() == kLayout.size());
      for (const auto& [name, shape] : kLayout) {
        const auto from = floats_of(pair.folder / "base", name), to = floats_of(pair.folder / "chat", name);
        const auto values = all_of(file, name);
        for (size_t i = 0; i < values.size(); ++i) REQUIRE(values[i] == to[i] - from[i]);
      }
      for (const auto& tensor : figures.tensors) CHECK(tensor.sums.error_squared == 0);
    }
  }
}

TEST_CASE("the errors that are reported are those of the file") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const Values base = random_values(random, 0.05);
  const Pair pair(model_of(base, DType::BF16), model_of(sum(base, random_values(random, 0.01)), DType::BF16));
  for (const merge::DeltaCodec& codec : merge::delta_codecs()) {
    INFO(codec.name);
    merge::DeltaSettings settings = settings_of(codec.name);
    settings.rank = 5;
    const auto figures = pair.extract(pair.inputs(settings), codec.name);
    const auto file = pair.file(codec.name);
    CHECK(figures.file_bytes == fs::file_size(file.path()));
    for (const auto& [name, shape, format, elements, bytes, sums] : figures.tensors) {
      const auto from = floats_of(pair.folder / "base", name), to = floats_of(pair.folder / "chat", name);
      std::vector<float> d(from.size());
      for (size_t i = 0; i < d.size(); ++i) d[i] = to[i] - from[i];
      CHECK(std::sqrt(sums.delta_squared) == doctest::Approx(norm(d)).epsilon(1e-12));
      CHECK(std::sqrt(sums.base_squared) == doctest::Approx(norm(from)).epsilon(1e-12));
      CHECK(sums.relative_error() ==
            doctest::Approx(distance(all_of(file, name), d) / norm(d)).epsilon(1e-12));
      CHECK(bytes == file.find(name)->num_bytes());
      if (shape.size() == 2 && format != "dense") CHECK(sums.relative_error() > 0);
    }
  }
}

TEST_CASE("the same models and settings give the same file, on any number of threads and when it goes on") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const Values base = random_values(random, 0.05);
  const Pair pair(model_of(base, DType::BF16), model_of(sum(base, random_values(random, 0.01)), DType::BF16));
  for (const merge::DeltaCodec& codec : merge::delta_codecs()) {
    INFO(codec.name);
    merge::DeltaSettings settings = settings_of(codec.name);
    settings.rank = 5;
    const auto given = pair.inputs(settings);
    pair.extract(given, str(codec.name, 1));
    const std::string expected = slurp(pair.file(str(codec.name, 1)).path());
    for (int stop = 1; stop < 40; stop += 3) {
      const std::string out = str(codec.name, "-", stop);
      fs::create_directories(pair.folder / out);
      SilentJob silent;
      CancelAfter cancelled(stop);
      try {
        merge::DeltaExtraction(given, silent).run(pair.folder / out, cancelled, 1);
      } catch (const Cancelled&) {}
      merge::DeltaExtraction(given, silent).run(pair.folder / out, silent, 3);
      CHECK(slurp(pair.file(out).path()) == expected);
    }
  }
}

TEST_CASE("ranks chosen by energy are told, and taken back") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const Values base = random_values(random, 0.05);
  const Pair pair(model_of(base, DType::F32), model_of(sum(base, random_values(random, 0.01)), DType::F32));
  merge::DeltaSettings settings = settings_of("lowrank");
  settings.energy = 0.6;
  auto given = pair.inputs(settings);
  SilentJob job;
  const merge::DeltaExtraction plan(given, job);
  CHECK(plan.ranks().size() == 5);  // all matrices
  const auto chosen = pair.extract(given, "chosen");
  given.ranks = plan.ranks();
  pair.extract(given, "given");
  CHECK(slurp(pair.file("chosen").path()) == slurp(pair.file("given").path()));
  CHECK(plan.bytes_to_write() == chosen.file_bytes);
  for (const auto& tensor : chosen.tensors)
    if (tensor.format == "lowrank") CHECK(tensor.sums.relative_error() <= std::sqrt(0.4) + 1e-6);
}

TEST_CASE("a value that is no number is refused with the tensor and its place") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (const merge::DeltaCodec& codec : merge::delta_codecs()) {
    Values base = random_values(random, 0.05), chat = base;
    chat[kQuery][17] = codec.name == std::string("int4") ? INFINITY : NAN;
    const Pair pair(model_of(base, DType::F32), model_of(chat, DType::F32));
    merge::DeltaSettings settings = settings_of(codec.name);
    settings.rank = 5;
    const Error error = caught([&] { pair.extract(pair.inputs(settings)); });
    CHECK(error.code() == "ERR_NON_FINITE");
    CHECK(error.message().find(str(kQuery, ": expected numbers")) == 0);
    CHECK(detail(error, "element") == "17");
    CHECK(error.hint().find("inspect MODEL --scan") != std::string::npos);
  }
}

TEST_CASE("models that do not fit each other are refused by tensor") {
  Seeded random;
  const Values values = random_values(random, 0.05);
  const auto base = model_of(values, DType::F32);
  auto chat = base;
  drop(chat, kQuery);
  named(chat, kHead).spec.shape = {24, 70};
  named(chat, kNorm).spec.shape = {4, 6};
  named(chat, "model.layers.0.mlp.up_proj.weight") = {
      {"model.layers.0.mlp.up_proj.weight", DType::F64, {80, 24}}, std::string(80 * 24 * 8, '\0')};
  chat.push_back({{"extra", DType::F32, {1}}, "1234"});
  const Pair pair(base, chat);
  const auto given = pair.inputs(settings_of("dense"));
  CHECK(pair.problems(given) == str("ERR_MISSING_TENSOR:   extra: not in the base model\n  ", kQuery,
                                    ": not in the chat model\n",
                                    "ERR_VOCABULARY:   lm_head.weight: base [70, 24], chat [24, 70]\n",
                                    "ERR_SHAPE_MISMATCH:   ", kNorm, ": base [24], chat [4, 6]\n",
                                    "ERR_DTYPE:   model.layers.0.mlp.up_proj.weight: base F32, chat F64\n"));
  CHECK(caught([&] { pair.extract(given); }).code() == "ERR_MISSING_TENSOR");
}

TEST_CASE("a head is in the delta where one of the models has its own") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const auto base = model_of(random_values(random, 0.05), DType::F32);
  auto chat = model_of(random_values(random, 0.05), DType::F32);
  const Pair pair(base, chat);
  auto given = pair.inputs(settings_of("dense"));
  given.base.tied = given.chat.tied = true;  // what the files store as a head is a copy
  pair.extract(given, "both");
  CHECK(pair.file("both").find(kHead) == nullptr);
  given.chat.tied = false;
  pair.extract(given, "one");
  const auto embedding = floats_of(pair.folder / "base", kEmbedding),
             head = floats_of(pair.folder / "chat", kHead);
  const auto values = all_of(pair.file("one"), kHead);
  for (size_t i = 0; i < values.size(); ++i) REQUIRE(values[i] == head[i] - embedding[i]);
}

TEST_CASE("integers and rotary tables are not in the delta") {
  Seeded random;
  auto model = model_of(random_values(random, 0.05), DType::F32);
  model.push_back({{"position_ids", DType::I64, {1}}, "12345678"});
  model.push_back({{"model.layers.0.self_attn.rotary_emb.inv_freq", DType::F32, {1}}, "1234"});
  const Pair pair(model, model);
  pair.extract(pair.inputs(settings_of("dense")));
  CHECK(pair.file().tensors().size() == kLayout.size());
}

TEST_CASE("rows are matched as they are told, and those of the chat model's own are exact in every format") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const auto base = model_of(random_values(random, 0.05), DType::BF16);
  auto chat = model_of(random_values(random, 0.05), DType::BF16);
  for (const char* name : {kEmbedding, kHead}) {
    Difference more = random_difference(random, name, {73, 24});
    named(chat, name) = stored(name, {73, 24}, DType::BF16, more.values);
  }
  const Pair pair(base, chat);
  // Turned around; of the last three rows two are own ones, and one is of no token.
  std::vector<int32_t> rows(73, -1);
  for (int row = 0; row < 70; ++row) rows[static_cast<size_t>(row)] = 69 - row;
  for (const merge::DeltaCodec& codec : merge::delta_codecs()) {
    merge::DeltaSettings settings = settings_of(codec.name);
    settings.rank = 5;
    auto given = pair.inputs(settings);
    CHECK(pair.problems(given).find("model.embed_tokens.weight: base [70, 24], chat [73, 24]") !=
          std::string::npos);
    given.base_rows = std::make_shared<const std::vector<int32_t>>(rows);
    given.own_rows = {70, 72};
    const auto figures = pair.extract(given, codec.name);
    const auto file = pair.file(codec.name);
    for (const char* name : {kEmbedding, kHead}) {
      const auto from = floats_of(pair.folder / "base", name), to = floats_of(pair.folder / "chat", name);
      const auto values = all_of(file, name);
      for (size_t i = 0; i < values.size(); ++i) {
        const size_t row = i / 24;
        if (row >= 70) REQUIRE(values[i] == 0);
        if (row < 70 && codec.name == std::string("dense"))
          REQUIRE(values[i] == to[i] - from[(69 - row) * 24 + i % 24]);
      }
      // Behind the difference, as if one went on reading.
      auto all = values;
      for (const size_t row : {70, 72}) all.insert(all.end(), &to[row * 24], &to[row * 24] + 24);
      for (const uint64_t first : {73 * 24 - 7, 73 * 24, 73 * 24 + 5, 74 * 24 + 1}) {
        std::vector<float> part(20);
        file.read(name, first, 20, part.data());
        CHECK(std::memcmp(part.data(), &all[first], 20 * 4) == 0);
      }
    }
    for (const auto& tensor : figures.tensors)
      if (tensor.format == "dense") CHECK(tensor.sums.error_squared == 0);
  }
}

TEST_CASE("samples fall where they are said to fall") {
  for (const uint64_t size : {1u, 5u, 64u, 1000u, 4'000'000'000u}) {
    const auto positions = merge::sample_positions(size);
    CHECK(positions.size() == std::min<uint64_t>(64, size));
    for (size_t i = 0; i < positions.size(); ++i) {
      const long double turn = static_cast<long double>(i) * 0.6180339887498948482L;
      const auto expected = (turn - std::floor(turn)) * static_cast<long double>(size);
      CHECK(positions[i] == static_cast<uint64_t>(expected));
    }
  }
}

TEST_CASE("the base itself is at no distance, what descends from it near, what does not at 1 and more") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const Values base = random_values(random, 0.05);
  const Pair pair(model_of(base, DType::F32), model_of(sum(base, random_values(random, 0.01)), DType::F32));
  pair.extract(pair.inputs(settings_of("int4")));
  make_model(pair.folder / "near", model_of(sum(base, random_values(random, 0.02)), DType::BF16));
  make_model(pair.folder / "far", model_of(random_values(random, 0.05), DType::BF16));
  make_model(pair.folder / "small", model_of(random_values(random, 0.001), DType::BF16));
  const auto distance = [&](const char* name) {
    return merge::distance_from_base(pair.file(), checkpoint::ModelWeights::open(pair.folder / name));
  };
  CHECK(distance("base").median == 0);
  CHECK(distance("base").num_tensors == 3);  // matrices without those of the vocabulary
  CHECK(distance("near").median == doctest::Approx(0.4).epsilon(0.35));
  CHECK(distance("far").median > 1.1);
  CHECK(distance("small").median > 0.95);
  make_model(pair.folder / "other", {stored("w", {2, 2}, DType::F32, {1, 2, 3, 4})});
  CHECK(std::isnan(distance("other").median));
  CHECK(distance("other").num_tensors == 0);
}

TEST_CASE("readers in any language find their tensors aligned") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const Values base = random_values(random, 0.05);
  const Pair pair(model_of(base, DType::BF16), model_of(sum(base, random_values(random, 0.01)), DType::BF16));
  for (const merge::DeltaCodec& codec : merge::delta_codecs()) {
    merge::DeltaSettings settings = settings_of(codec.name);
    settings.density = 0.0771;
    settings.rank = 5;
    pair.extract(pair.inputs(settings), codec.name);
    const auto file = checkpoint::SafetensorsFile::open(pair.file(codec.name).path());
    for (const auto& tensor : file.tensors()) {
      INFO(codec.name, ' ', tensor.name);
      CHECK((file.data_begin() + tensor.begin) % static_cast<uint64_t>(dtype_bits(tensor.dtype) / 8) == 0);
    }
  }
}

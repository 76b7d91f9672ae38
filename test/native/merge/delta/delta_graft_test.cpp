// A delta file as a vector of a graft.
#include "delta_models.h"
#include "merge/graft/graft.h"

using namespace tongueforge;
using namespace tongueforge::testing;
namespace fs = std::filesystem;

namespace {

using Scales = std::map<std::string, float, std::less<>>;

Scales all_at(float scale) {
  Scales scales;
  for (const auto& [name, shape] : kLayout) scales.emplace(name, scale);
  return scales;
}

/// A target beside the pair; grafted with the pair, and with a delta of it.
struct Trio {
  Pair pair;
  bool target_tied = false, base_tied = false, chat_tied = false;

  Trio(const std::vector<MadeTensor>& target, const std::vector<MadeTensor>& base,
       const std::vector<MadeTensor>& chat)
      : pair(base, chat) {
    make_model(pair.folder / "target", target, 3000);
  }

  std::string delta() const { return pair.folder / (std::string("delta/") + merge::kDeltaFileName); }

  void extract(const char* codec) const {
    auto settings = settings_of(codec);
    settings.rank = 5;
    auto given = pair.inputs(settings);
    given.base.tied = base_tied, given.chat.tied = chat_tied;
    fs::remove_all(pair.folder / "delta");
    pair.extract(given);
  }

  merge::ChatVector models(const Scales& scales) const {
    merge::ChatVector vector;
    vector.base = {pair.folder / "base", base_tied};
    vector.chat = {pair.folder / "chat", chat_tied};
    vector.scales = scales;
    return vector;
  }

  merge::ChatVector file(const Scales& scales) const {
    merge::ChatVector vector;
    vector.delta = delta();
    vector.scales = scales;
    return vector;
  }

  merge::GraftReport run(const std::vector<merge::ChatVector>& vectors, const std::string& out,
                         const merge::Sparsify& sparsify = {}) const {
    fs::create_directories(pair.folder / out);
    SilentJob job;
    return merge::Graft({{pair.folder / "target", target_tied}, vectors, nullptr, nullptr, sparsify})
        .run(pair.folder / out, job, 2);
  }

  std::string problems() const {
    std::string all;
    const merge::Graft graft(
        {{pair.folder / "target", target_tied}, {file(all_at(1))}, nullptr, nullptr, {}});
    for (const Error& error : graft.problems()) all += error.code() + ": " + detail(error, "tensors") + "\n";
    return all;
  }

  void check_same_files(const std::string& a, const std::string& b) const {
    for (const auto& entry : fs::directory_iterator(pair.folder / a)) {
      const std::string name = entry.path().filename().string();
      if (name != ".journal") CHECK(slurp(entry.path().string()) == slurp(pair.folder / (b + "/" + name)));
    }
  }
};

}  // namespace

TEST_CASE("adding a dense delta is the graft, bit for bit, whatever the dtypes") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const DType all[] = {DType::BF16, DType::F16, DType::F32};
  for (const DType target_dtype : all) {
    for (const DType chat_dtype : all) {
      const Values base = random_values(random, 0.05);
      const Trio trio(model_of(sum(base, random_values(random, 0.02)), target_dtype),
                      model_of(base, all[random.below(3)]),
                      model_of(sum(base, random_values(random, 0.01)), chat_dtype));
      trio.extract("dense");
      Scales scales = all_at(0.7f);
      scales[kQuery] = -2;
      scales[kNorm] = 0;
      const auto grafted = trio.run({trio.models(scales)}, "grafted");
      const auto applied = trio.run({trio.file(scales)}, "applied");
      trio.check_same_files("grafted", "applied");
      CHECK(grafted.tensors_changed == applied.tensors_changed);
      CHECK(number(merge::to_value(grafted), "nonfinite") == number(merge::to_value(applied), "nonfinite"));
    }
  }
}

TEST_CASE("deltas and models may be vectors of one graft, thinned out or not") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const Values base = random_values(random, 0.05);
  const Trio trio(model_of(sum(base, random_values(random, 0.02)), DType::BF16), model_of(base, DType::BF16),
                  model_of(sum(base, random_values(random, 0.01)), DType::BF16));
  trio.extract("dense");
  using Kind = merge::Sparsify::Kind;
  for (const merge::Sparsify& sparsify : {merge::Sparsify{}, {Kind::ties, 0.3, 0}, {Kind::dare, 0.3, 7}}) {
    const std::string out = str(static_cast<int>(sparsify.kind));
    trio.run({trio.models(all_at(0.5f)), trio.models(all_at(0.25f))}, "models" + out, sparsify);
    trio.run({trio.models(all_at(0.5f)), trio.file(all_at(0.25f))}, "mixed" + out, sparsify);
    trio.check_same_files("models" + out, "mixed" + out);
  }
}

TEST_CASE("of every format what is added is what the file says") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const Values base = random_values(random, 0.05), target = sum(base, random_values(random, 0.02));
  const Trio trio(model_of(target, DType::F32), model_of(base, DType::F32),
                  model_of(sum(base, random_values(random, 0.01)), DType::F32));
  for (const merge::DeltaCodec& codec : merge::delta_codecs()) {
    INFO(codec.name);
    trio.extract(codec.name);
    trio.run({trio.file(all_at(0.7f))}, codec.name);
    const auto file = merge::DeltaFile::open(trio.delta());
    for (const auto& [name, shape] : kLayout) {
      const auto d = all_of(file, name), out = floats_of(trio.pair.folder / codec.name, name);
      const double scale = 0.7f;
      for (size_t i = 0; i < d.size(); ++i)
        REQUIRE(out[i] == (d[i] == 0 ? target.at(name)[i]
                                     : static_cast<float>(static_cast<double>(target.at(name)[i]) +
                                                          scale * static_cast<double>(d[i]))));
    }
  }
}

TEST_CASE("tied heads are the graft's too, on all sides") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (int sides = 0; sides < 8; ++sides) {
    INFO("target, base, chat tied: ", sides);
    const Values base = random_values(random, 0.05);
    auto target = model_of(sum(base, random_values(random, 0.02)), DType::BF16);
    auto from = model_of(base, DType::BF16),
         to = model_of(sum(base, random_values(random, 0.01)), DType::BF16);
    if (sides & 1) drop(target, kHead);
    if (sides & 2) drop(from, kHead);
    if (sides & 4) drop(to, kHead);
    Trio trio(target, from, to);
    trio.target_tied = sides & 1, trio.base_tied = sides & 2, trio.chat_tied = sides & 4;
    trio.extract("dense");
    trio.run({trio.models(all_at(0.7f))}, "grafted");
    trio.run({trio.file(all_at(0.7f))}, "applied");
    trio.check_same_files("grafted", "applied");
  }
}

TEST_CASE("rows in another order are those of the delta in that order") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const Values base = random_values(random, 0.05);
  const Trio trio(model_of(sum(base, random_values(random, 0.02)), DType::BF16), model_of(base, DType::BF16),
                  model_of(sum(base, random_values(random, 0.01)), DType::BF16));
  std::vector<int32_t> rows(70);
  for (size_t row = 0; row < rows.size(); ++row)
    rows[row] = row % 9 == 4 ? -1 : static_cast<int32_t>(69 - row);
  const auto map = std::make_shared<const std::vector<int32_t>>(rows);
  for (const char* codec : {"dense", "topk", "int4"}) {
    trio.extract(codec);
    auto vector = trio.file(all_at(1));
    vector.chat_rows = vector.base_rows = map;
    trio.run({vector}, codec);
    const auto d = all_of(merge::DeltaFile::open(trio.delta()), kEmbedding);
    const auto target = floats_of(trio.pair.folder / "target", kEmbedding),
               out = floats_of(trio.pair.folder / codec, kEmbedding);
    for (size_t i = 0; i < out.size(); ++i) {
      const int32_t row = rows[i / 24];
      const float added = row < 0 ? 0 : d[static_cast<size_t>(row) * 24 + i % 24];
      REQUIRE(out[i] == (added == 0 ? target[i] : bf16_to_float(float_to_bf16(target[i] + added))));
    }
  }
}

TEST_CASE(
    "rows that are added are the chat model's own, unscaled, also where the delta has their difference") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const Values base = random_values(random, 0.05);
  const Trio trio(model_of(sum(base, random_values(random, 0.02)), DType::BF16), model_of(base, DType::BF16),
                  model_of(sum(base, random_values(random, 0.01)), DType::BF16));
  auto given = trio.pair.inputs(settings_of("int4"));
  given.own_rows = {3, 40};
  trio.pair.extract(given);
  // Three more rows than the target has: two of the chat model's, and between them none of anyone.
  std::vector<int32_t> target_rows(72, -1), chat_rows(72, -1), base_rows(72, -1);
  std::vector<bool> added(72);
  for (int32_t row = 0; row < 70; ++row)
    target_rows[static_cast<size_t>(row)] = chat_rows[static_cast<size_t>(row)] =
        base_rows[static_cast<size_t>(row)] = row;
  chat_rows[70] = 40, chat_rows[71] = 3;
  added[70] = added[71] = true;
  const auto shared = [](const std::vector<int32_t>& rows) {
    return std::make_shared<const std::vector<int32_t>>(rows);
  };
  auto vector = trio.file(all_at(0.5f));
  vector.chat_rows = shared(chat_rows), vector.base_rows = shared(base_rows);
  const auto inputs = [&] {
    return merge::GraftInputs{{trio.pair.folder / "target", false},
                              {vector},
                              shared(target_rows),
                              std::make_shared<const std::vector<bool>>(added),
                              {}};
  };
  SilentJob job;
  fs::create_directories(trio.pair.folder / "out");
  merge::Graft(inputs()).run(trio.pair.folder / "out", job, 2);
  for (const char* name : {kEmbedding, kHead}) {
    const auto out = floats_of(trio.pair.folder / "out", name),
               chat = floats_of(trio.pair.folder / "chat", name);
    CHECK(out.size() == 72 * 24);
    for (size_t i = 0; i < 24; ++i) {
      REQUIRE(out[70 * 24 + i] == chat[40 * 24 + i]);
      REQUIRE(out[71 * 24 + i] == chat[3 * 24 + i]);
    }
  }
  chat_rows[71] = 4;
  vector.chat_rows = shared(chat_rows);
  const merge::Graft lacking(inputs());
  REQUIRE(lacking.problems().size() == 1);
  CHECK(lacking.problems()[0].code() == "ERR_VOCABULARY");
  CHECK(lacking.problems()[0].message().find("lacks rows of the chat model that the target needs") !=
        std::string::npos);
}

TEST_CASE("a delta of another model is refused by tensor") {
  Seeded random;
  const Values values = random_values(random, 0.05);
  auto target = model_of(values, DType::F32);
  drop(target, kQuery);
  named(target, kNorm).spec.shape = {4, 6};
  named(target, kHead).spec.shape = {24, 70};
  target.push_back({{"extra", DType::F32, {1}}, "1234"});
  const Trio trio(target, model_of(values, DType::F32), model_of(values, DType::F32));
  trio.extract("dense");
  CHECK(trio.problems() == str("ERR_MISSING_TENSOR:   ", kQuery, ": in the delta, not in the target\n",
                               "  extra: in the target, not in the delta\n",
                               "ERR_VOCABULARY:   lm_head.weight: target [24, 70], delta [70, 24]\n",
                               "ERR_SHAPE_MISMATCH:   ", kNorm, ": target [4, 6], delta [24]\n"));
}

#include "merge/delta/delta_codec.h"

#include <cmath>
#include <cstring>
#include <numeric>

#include "delta_fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;

namespace {

const std::vector<std::vector<int64_t>> kShapes = {{40, 24},   {24, 41}, {7, 300}, {33},
                                                   {3, 5, 18}, {1, 1},   {130, 3}};

std::vector<Difference> random_differences(Seeded& random) {
  std::vector<Difference> all;
  for (size_t i = 0; i < kShapes.size(); ++i)
    all.push_back(random_difference(random, str("w", i), kShapes[i]));
  return all;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * 4) == 0);
}

/// A matrix with these singular values: reflected on both sides.
Difference with_singular_values(Seeded& random, int64_t rows, int64_t columns,
                                const std::vector<double>& values) {
  const auto reflection = [&](int64_t size) {
    std::normal_distribution<double> normal;
    std::vector<double> v(static_cast<size_t>(size));
    for (double& x : v) x = normal(random.engine);
    const double length = std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
    for (double& x : v) x /= length;
    return v;
  };
  const auto u = reflection(rows), v = reflection(columns);
  const auto entry = [](const std::vector<double>& w, size_t i, size_t j) {
    return (i == j) - 2 * w[i] * w[j];
  };
  Difference made{"w", {rows, columns}, {}};
  for (size_t i = 0; i < u.size(); ++i)
    for (size_t j = 0; j < v.size(); ++j) {
      double sum = 0;
      for (size_t k = 0; k < values.size(); ++k) sum += entry(u, i, k) * values[k] * entry(v, k, j);
      made.values.push_back(static_cast<float>(sum));
    }
  return made;
}

}  // namespace

TEST_CASE("every format gives the same bytes and values however it is written and read") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const TempFolder folder;
  const auto tensors = random_differences(random);
  for (const merge::DeltaCodec& codec : merge::delta_codecs()) {
    INFO(codec.name);
    merge::DeltaSettings settings = settings_of(codec.name);
    settings.rank = 2;
    settings.group = 16;
    const auto whole = make_delta(folder / "whole", tensors, settings);
    const auto cut = make_delta(folder / "cut", tensors, settings, 5);
    CHECK(slurp(whole.path()) == slurp(cut.path()));
    for (const Difference& tensor : tensors) {
      CHECK(whole.find(tensor.name)->shape == tensor.shape);
      const auto values = all_of(whole, tensor.name);
      const auto opened = whole.open_tensor(*whole.find(tensor.name));
      for (int i = 0; i < 20; ++i) {
        const uint64_t first = random.below(values.size()), count = random.below(values.size() - first + 1);
        std::vector<float> part(count);
        opened->read(first, count, part.data());
        CHECK(same_bits(part, {values.data() + first, values.data() + first + count}));
      }
    }
  }
}

TEST_CASE("dense keeps every bit") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const TempFolder folder;
  auto tensors = random_differences(random);
  tensors[0].values[3] = -0.0f;
  tensors[0].values[4] = 1e-44f;
  const auto file = make_delta(folder / "d", tensors, settings_of("dense"));
  for (const Difference& tensor : tensors) CHECK(same_bits(all_of(file, tensor.name), tensor.values));
}

TEST_CASE("topk keeps exactly the largest, of equal ones the first, and nothing of the rest") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const TempFolder folder;
  for (const double density : {0.003, 0.1, 0.5, 1.0}) {
    auto tensors = random_differences(random);
    // Coarse values have many equals; the second tensor is all equal.
    for (float& value : tensors[0].values) value = std::round(value * 200) / 200;
    for (float& value : tensors[1].values) value = value < 0 ? -0.25f : 0.25f;
    merge::DeltaSettings settings = settings_of("topk");
    settings.density = density;
    const auto file = make_delta(folder / str(density), tensors, settings);
    for (const Difference& tensor : tensors) {
      std::vector<size_t> order(tensor.values.size());
      std::iota(order.begin(), order.end(), size_t{0});
      std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        return std::abs(tensor.values[a]) > std::abs(tensor.values[b]);
      });
      const auto wanted = static_cast<size_t>(std::round(density * static_cast<double>(order.size())));
      const size_t k = std::max<size_t>(1, wanted);
      std::vector<float> expected(order.size());
      for (size_t i = 0; i < k; ++i) expected[order[i]] = tensor.values[order[i]];
      CHECK(same_bits(all_of(file, tensor.name), expected));
      CHECK(file.find(tensor.name)->stored.at("values").num_elements() == k);
    }
  }
}

TEST_CASE("topk tells equal values apart by their place alone") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const TempFolder folder;
  for (int round = 0; round < 50; ++round) {
    Difference tensor{"w", {6, 20}, std::vector<float>(120)};
    for (float& value : tensor.values) value = static_cast<float>(random.below(7)) - 3;
    merge::DeltaSettings settings = settings_of("topk");
    settings.density = 0.4;  // 48 of 120, of which about 34 are 3 or -3
    const auto values = all_of(make_delta(folder / str(round), {tensor}, settings), "w");
    size_t left = 48;
    for (const float level : {3.0f, 2.0f, 1.0f, 0.0f})
      for (size_t i = 0; i < values.size(); ++i)
        if (std::abs(tensor.values[i]) == level)
          REQUIRE(values[i] == (left > 0 ? (--left, tensor.values[i]) : 0));
  }
}

TEST_CASE("topk takes six bytes a value, eight where rows are long") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const TempFolder folder;
  const std::vector<Difference> tensors = {random_difference(random, "long", {2, 70'000}),
                                           random_difference(random, "short", {100, 50})};
  const auto file = make_delta(folder / "d", tensors, settings_of("topk"));
  CHECK(file.find("short")->num_bytes() == 500 * 6 + 101 * 8 + 2 * 8);
  CHECK(file.find("long")->num_bytes() == 14'000 * 8 + 3 * 8 + 2 * 8);
}

TEST_CASE("int8 and int4 are off by half a step of their group at most, and exact where all is zero") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const TempFolder folder;
  auto tensors = random_differences(random);
  std::fill_n(tensors[0].values.begin(), 24, 0.0f);
  tensors[2].values[5] = 3e-44f;  // a scale that is no normal number
  std::fill_n(tensors[2].values.begin(), 16, 3e-44f);
  for (const auto& [codec, largest] : {std::pair{"int8", 127.0f}, std::pair{"int4", 7.0f}}) {
    merge::DeltaSettings settings = settings_of(codec);
    settings.group = 16;
    const auto file = make_delta(folder / codec, tensors, settings);
    for (const Difference& tensor : tensors) {
      const auto values = all_of(file, tensor.name);
      if (tensor.shape.size() < 2) {
        CHECK(same_bits(values, tensor.values));
        continue;
      }
      const auto columns = static_cast<size_t>(tensor.shape.back());
      for (size_t i = 0; i < values.size(); ++i) {
        const size_t row = i / columns * columns, first = row + (i - row) / 16 * 16;
        float scale = 0;
        for (size_t j = first; j < std::min(row + columns, first + 16); ++j)
          scale = std::max(scale, std::abs(tensor.values[j]));
        scale /= largest;
        const float code = scale == 0 ? 0 : std::nearbyint(tensor.values[i] / scale);
        REQUIRE(values[i] == std::clamp(code, -largest, largest) * scale);
        if (scale > 1e-37f) REQUIRE(std::abs(values[i] - tensor.values[i]) <= scale * 0.50001f);
      }
    }
  }
}

TEST_CASE("the sizes of int8 and int4 are a byte and half a byte a value, and four bytes a group") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const TempFolder folder;
  const std::vector<Difference> tensors = {random_difference(random, "w", {10, 129})};
  const auto eight = make_delta(folder / "8", tensors, settings_of("int8"));
  const auto four = make_delta(folder / "4", tensors, settings_of("int4"));
  CHECK(eight.find("w")->num_bytes() == 10 * 129 + 10 * 3 * 4);
  CHECK(four.find("w")->num_bytes() == 10 * 65 + 10 * 3 * 4 + 2 * 8);
}

TEST_CASE("lowrank is as near as any matrix of its rank can be, high, wide and square") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const TempFolder folder;
  const std::vector<double> values = {3, 2, 1, 0.5, 0.25, 0.125, 1e-3, 1e-4};
  for (const auto& [rows, columns] : {std::pair{60, 20}, std::pair{20, 60}, std::pair{30, 30}}) {
    const Difference tensor = with_singular_values(random, rows, columns, values);
    for (const uint64_t rank : {1, 3, 6, 8}) {
      merge::DeltaSettings settings = settings_of("lowrank");
      settings.rank = rank;
      const auto file = make_delta(folder / str(rows, "-", rank), {tensor}, settings);
      double rest = 0;
      for (size_t i = rank; i < values.size(); ++i) rest += values[i] * values[i];
      CHECK(file.find("w")->codec->name == std::string("lowrank"));
      CHECK(distance(all_of(file, "w"), tensor.values) ==
            doctest::Approx(std::sqrt(rest)).epsilon(1e-4).scale(1e-2));
      CHECK(file.find("w")->num_bytes() == rank * static_cast<uint64_t>(rows + columns) * 4);
    }
  }
}

TEST_CASE("lowrank in bfloat16 takes half the bytes and is off by its rounding") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const TempFolder folder;
  const Difference tensor = with_singular_values(random, 40, 30, {2, 1});
  merge::DeltaSettings settings = settings_of("lowrank");
  settings.rank = 2;
  settings.factor_dtype = DType::BF16;
  const auto file = make_delta(folder / "d", {tensor}, settings);
  CHECK(file.find("w")->num_bytes() == 2 * 70 * 2);
  const double error = distance(all_of(file, "w"), tensor.values) / norm(tensor.values);
  CHECK(error < 0x1p-7);
  CHECK(error > 0x1p-14);
}

TEST_CASE("energy chooses the smallest rank that keeps it") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const Difference tensor = with_singular_values(random, 50, 40, {4, 2, 1, 1});  // squares 16, 4, 1, 1
  for (const auto& [energy, rank] :
       {std::pair{0.5, 1}, std::pair{0.8, 2}, std::pair{0.93, 3}, std::pair{0.99, 4}}) {
    merge::DeltaSettings settings = settings_of("lowrank");
    settings.energy = energy;
    const SilentJob job;
    merge::delta_codec("lowrank").settle(tensor.input(), settings, merge::Workspace(job));
    CHECK(settings.rank == static_cast<uint64_t>(rank));
  }
}

TEST_CASE("lowrank leaves dense what factors would not make smaller") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const TempFolder folder;
  const std::vector<Difference> tensors = {random_difference(random, "vector", {50}),
                                           random_difference(random, "cube", {6, 6, 6}),
                                           random_difference(random, "small", {10, 10})};
  merge::DeltaSettings settings = settings_of("lowrank");
  settings.rank = 5;
  const auto file = make_delta(folder / "d", tensors, settings);
  for (const Difference& tensor : tensors) CHECK(same_bits(all_of(file, tensor.name), tensor.values));
}

TEST_CASE("energy leaves dense what not even a rank of one would make smaller") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const TempFolder folder;
  const std::vector<Difference> tensors = {random_difference(random, "row", {1, 30}),
                                           random_difference(random, "column", {30, 1}),
                                           random_difference(random, "square", {2, 2})};
  merge::DeltaSettings settings = settings_of("lowrank");
  settings.rank = 0;  // energy decides
  settings.energy = 0.9;
  const auto file = make_delta(folder / "d", tensors, settings);
  for (const Difference& tensor : tensors) CHECK(same_bits(all_of(file, tensor.name), tensor.values));
}

TEST_CASE("a difference of nothing is nothing in every format") {
  const TempFolder folder;
  const Difference zeros{"w", {30, 20}, std::vector<float>(600)};
  for (const merge::DeltaCodec& codec : merge::delta_codecs()) {
    merge::DeltaSettings settings = settings_of(codec.name);
    settings.rank = 3;
    settings.energy = codec.name == std::string("lowrank") ? 0.9 : 0;
    CHECK(all_of(make_delta(folder / codec.name, {zeros}, settings), "w") == zeros.values);
  }
}

TEST_CASE("a format that is not known is refused with those that are") {
  const Error error = caught([] { merge::delta_codec("zip"); });
  CHECK(error.code() == "ERR_USAGE");
  CHECK(error.message() == "Expected a format of a delta: dense, topk, lowrank, int8, int4; received zip");
  CHECK(!error.hint().empty());
}

TEST_CASE("formats that look at many values for a few bytes stop where the work is cancelled") {
  struct CancelledJob final : Job {
    bool cancelled() const override { return true; }
    void progress(Value) override {}
    void emit(Value) override {}
  };
  Seeded random;
  const Difference tensor = random_difference(random, "w", {40, 24});
  const SilentJob silent;
  const CancelledJob cancelled;
  for (const char* codec : {"topk", "int8", "int4"}) {
    CAPTURE(codec);
    const auto encoder = merge::delta_codec(codec).encode(tensor.input(), settings_of(codec));
    encoder->prepare(merge::Workspace(silent));
    std::string bytes(encoder->parts()[0].num_bytes(), '\0');
    CHECK_THROWS_AS(encoder->produce(0, 0, bytes.size(), bytes.data(), merge::Workspace(cancelled)),
                    Cancelled);
  }
}

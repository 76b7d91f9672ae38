// Cases small enough to be worked out by hand: all values are exact in float32.
#include "fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;

namespace {

using Floats = std::vector<float>;

Models row_of(Floats base, std::vector<Floats> inputs, std::vector<Parameters> of_inputs,
              Parameters of_tensor = {}) {
  Models models{
      {static_cast<int64_t>(base.size())}, std::move(base), std::move(inputs), std::move(of_inputs)};
  models.of_tensor = std::move(of_tensor);
  return models;
}

Parameters weight(double value) { return {{"weight", value}}; }

}  // namespace

TEST_CASE("linear: (1 * 1 + 3 * 5) / 4") {
  CHECK(merged("linear", row_of({0, 0}, {{1, 2}, {5, 2}}, {weight(1), weight(3)})) == Floats{4, 2});
  CHECK(merged("linear", row_of({0, 0}, {{1, 2}, {5, 2}}, {weight(1), weight(3)}, {{"normalize", 0}})) ==
        Floats{16, 8});
  // Weights that cancel divide nothing.
  CHECK(merged("linear", row_of({0, 0}, {{1, 2}, {5, 2}}, {weight(1), weight(-1)})) == Floats{-4, 0});
}

TEST_CASE("task_arithmetic: 10 + 0.5 (2 * 1 - 1 * 4)") {
  const Parameters half = {{"lambda", 0.5}};
  CHECK(merged("task_arithmetic", row_of({10}, {{11}, {14}}, {weight(2), weight(-1)}, half)) == Floats{9});
  const Parameters mean = {{"normalize", 1}};
  CHECK(merged("task_arithmetic", row_of({10}, {{11}, {14}}, {weight(3), weight(1)}, mean)) ==
        Floats{11.75f});
}

TEST_CASE("ties: trims to the largest half, elects signs with their weights, averages what agrees") {
  const Parameters first = {{"weight", 1}, {"density", 0.5}}, second = {{"weight", 2}, {"density", 0.5}};
  // Deltas 4 -3 2 1 and -1 -5 6 0: kept 4 -3 . . and . -5 6 .
  const Models models = row_of({0, 0, 0, 0}, {{4, -3, 2, 1}, {-1, -5, 6, 0}}, {first, second});
  // 4 alone; (-3 - 10) / 3; 6 alone, times 2 over 2; nothing.
  CHECK(merged("ties", models) == Floats{4, -13.0f / 3, 6, 0});
}

TEST_CASE("ties: of magnitudes that are equal the first are kept, and of a small tensor one") {
  CHECK(merged("ties", row_of({0, 0, 0, 0}, {{2, -2, 2, -2}}, {{{"density", 0.5}}})) == Floats{2, -2, 0, 0});
  CHECK(merged("ties", row_of({0, 0, 0}, {{1, 3, 2}}, {{{"density", 0.2}}})) == Floats{0, 3, 0});
  CHECK(merged("ties", row_of({1, 1, 1}, {{1, 3, 2}}, {{{"density", 0.0}}})) == Floats{1, 1, 1});
}

TEST_CASE("ties: a sum of 0 counts as positive") {
  CHECK(merged("ties", row_of({0}, {{2}, {-2}}, {weight(1), weight(1)})) == Floats{2});
}

TEST_CASE("breadcrumbs: drops the largest fifth and the smallest") {
  const Parameters parameters = {{"weight", 1}, {"density", 0.4}, {"gamma", 0.2}};
  CHECK(merged("breadcrumbs", row_of({0, 0, 0, 0, 0}, {{5, -1, 4, 2, -3}}, {parameters})) ==
        Floats{0, 0, 4, 0, -3});
}

TEST_CASE("breadcrumbs on a tensor too small for an outlier: all largest stay, with compat nothing does") {
  Models models = row_of({1, 1, 1}, {{2, 4, 3}}, {{{"density", 0.7}, {"gamma", 0.1}}});
  CHECK(merged("breadcrumbs", models) == Floats{1, 4, 3});
  models.compat = DType::F32;
  CHECK(merged("breadcrumbs", models) == Floats{1, 1, 1});
}

TEST_CASE("ties with compat refuses a density that keeps nothing, as mergekit does") {
  Models models = row_of({0, 0}, {{1, 2}}, {{{"density", 0.3}}});
  models.compat = DType::F32;
  const Error error = caught([&] { merged("ties", models); });
  CHECK(error.code() == "ERR_CONFIG");
  CHECK(error.message() ==
        "Expected a density that keeps an entry of layer.weight, which has 2, received 0.3");
  CHECK(error.hint().find("compat") != std::string::npos);
}

TEST_CASE("nearswap: takes the other where it is near, moves by t where it is far") {
  CHECK(merged("nearswap", row_of({1, 1, 1}, {{1.25f, 3, 1}}, {}, {{"t", 0.5}})) == Floats{1.25f, 1.5f, 1});
}

TEST_CASE("nearswap: with t = 0 every bit of the base stays, and equal models at any t") {
  const float infinity = std::numeric_limits<float>::infinity();
  Models models = row_of({-0.0f, 1, -0.0f}, {{5, infinity, -0.0f}}, {}, {{"t", 0}});
  CHECK(same_bits(merged("nearswap", models), models.base));
  models.inputs = {models.base};
  models.of_tensor = {{"t", 1e-9}};
  CHECK(same_bits(merged("nearswap", models), models.base));
}

TEST_CASE("sce: the element that varies most, weights by energy, the minority erased") {
  // Deltas 3 1 and -1 1: variances 4 and 0; of the first 3 and -1, energies 9 and 1, the sum is positive.
  CHECK(merged("sce", row_of({0, 0}, {{3, 1}, {-1, 1}}, {}, {{"select_topk", 0.99}})) == Floats{0, 0});
  CHECK(merged("sce", row_of({0, 0, 0}, {{3, 1, 2}, {-1, 1, 1}}, {}, {{"select_topk", 0.5}})) ==
        Floats{3, 0, 0});
}

TEST_CASE("model_stock: at a right angle the base, in one direction the mean") {
  CHECK(merged("model_stock", row_of({1, 1}, {{3, 1}, {1, 2}}, {})) == Floats{1, 1});
  CHECK(merged("model_stock", row_of({1, 1}, {{3, 1}, {5, 1}}, {})) == Floats{4, 1});
}

TEST_CASE("slerp: halfway between two axes lies on the diagonal, at their length") {
  const auto out = merged("slerp", row_of({2, 0}, {{0, 2}}, {}, {{"t", 0.5}}));
  CHECK(units_apart(out, {std::sqrt(2.0f), std::sqrt(2.0f)}) <= 1);
}

TEST_CASE("slerp: from a tensor of zeros, which has no direction, straight") {
  CHECK(merged("slerp", row_of({0, 0}, {{2, 4}}, {}, {{"t", 0.25}})) == Floats{0.5f, 1});
}

TEST_CASE("karcher: three axes meet on their diagonal, at the mean of their lengths") {
  const auto out = merged("karcher", row_of({0, 0, 0}, {{1, 0, 0}, {0, 2, 0}, {0, 0, 3}}, {}));
  const auto expected = static_cast<float>(2 / std::sqrt(3.0));
  CHECK(units_apart(out, {expected, expected, expected}) <= 1);
}

TEST_CASE("ram: own changes whole, shared ones averaged; ramplus_tl scales the own ones") {
  // Changed by both, by the first, by the first, by none.
  const std::vector<Floats> inputs = {{3, 4, 2, 1}, {5, 1, 1, 1}};
  CHECK(merged("ram", row_of({1, 1, 1, 1}, inputs, {})) == Floats{4, 4, 2, 1});
  // The first shares 1 and owns 2: factor 1 + 2 * 0.5; held to alpha 0.25: 1 + 2 * 0.25.
  const Parameters wide = {{"r", 2}, {"alpha", 10}}, narrow = {{"r", 2}, {"alpha", 0.25}};
  CHECK(merged("ramplus_tl", row_of({1, 1, 1, 1}, inputs, {}, wide)) == Floats{4, 7, 3, 1});
  CHECK(merged("ramplus_tl", row_of({1, 1, 1, 1}, inputs, {}, narrow)) == Floats{4, 5.5f, 2.5f, 1});
}

TEST_CASE("passthrough keeps every bit, also of a NaN") {
  Models models = row_of({0, 0}, {{-0.0f, std::bit_cast<float>(0xff801234u)}}, {});
  CHECK(same_bits(merged("passthrough", models), models.inputs[0]));
  models.of_inputs = {{{"scale", 0.5}}};
  models.inputs = {{3, -8}};
  CHECK(merged("passthrough", models) == Floats{1.5f, -4});
}

TEST_CASE("a method that no row has is refused, with the names of those there are") {
  const Error error = caught([] { merge::method_named("tie"); });
  CHECK(error.code() == "ERR_CONFIG");
  CHECK(error.message() == "Expected a merge method, received tie");
  CHECK(error.hint().find("ties, dare_linear") != std::string::npos);
  CHECK(merge::methods().size() == 20);
}

TEST_CASE(
    "sce: an element that one model alone has changed is that change, however small the model's share") {
  // Energies 1/2 and 1e-8 / 2: at the first element the second model is alone.
  CHECK(merged("sce", row_of({0, 0}, {{0, 1}, {1e-4f, 0}}, {{}, {}})) == Floats{1e-4f, 1});
}

TEST_CASE("slerp family: a delta of zeros goes straight; with compat it stands at a right angle") {
  Models models = row_of({0, 0}, {{1, 0}, {0, 0}}, {weight(1), weight(1)});
  CHECK(merged("nuslerp", models) == Floats{0.5f, 0});
  models.compat = DType::F32;
  CHECK(merged("nuslerp", models)[0] == doctest::Approx(std::sqrt(0.5)));
}

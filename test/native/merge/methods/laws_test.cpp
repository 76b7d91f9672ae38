// What the methods promise, on random models.
#include <numeric>

#include "core/job.h"
#include "fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;

namespace {

size_t fewest(const Method& method) { return static_cast<size_t>(method.min_inputs); }
size_t several(const Method& method) { return std::min<size_t>(3, static_cast<size_t>(method.max_inputs)); }

/// Parameters with which all of a method's rules are at work.
void set_usual(Models& models, double density = 0.6) {
  models.of_inputs.clear();
  for (size_t i = 0; i < models.inputs.size(); ++i)
    models.of_inputs.push_back({{"weight", 0.5 + 0.25 * static_cast<double>(i)},
                                {"density", density},
                                {"gamma", 0.1},
                                {"epsilon", 0.2}});
  models.of_tensor = {{"t", 0.3}, {"epsilon", 0.01}, {"select_topk", 0.5}};
}

Models in_order(const Models& models, const std::vector<size_t>& order) {
  Models result = models;
  for (size_t i = 0; i < order.size(); ++i) {
    result.inputs[i] = models.inputs[order[i]];
    result.of_inputs[i] = models.of_inputs[order[i]];
  }
  return result;
}

double mean_of(const std::vector<uint8_t>& kept) {
  return static_cast<double>(std::accumulate(kept.begin(), kept.end(), 0)) / static_cast<double>(kept.size());
}

}  // namespace

TEST_CASE("merging a model with itself returns it bit for bit, with every method") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (const Method& method : merge::methods()) {
    for (const auto& shape :
         {std::vector<int64_t>{17, 33}, std::vector<int64_t>{40}, std::vector<int64_t>{1}}) {
      Models models = random_models(random, shape, 0);
      models.inputs.assign(several(method), models.base);
      set_usual(models);
      INFO(std::string(method.name), " of ", shape.size(), " dimensions");
      CHECK(same_bits(merged(method, models), models.base));
    }
  }
}

TEST_CASE("equal models that differ from the base come out, bit for bit where there is no base to add to") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (const std::string name : {"linear", "nuslerp", "multislerp", "karcher"}) {
    Models models = random_models(random, {11, 20}, 1);
    models.inputs.assign(2, models.inputs[0]);
    set_usual(models);
    INFO(name);
    MethodTensor tensor = models.tensor(merge::method_named(name), 0, models.size());
    tensor.base = nullptr;
    std::vector<float> out(models.size());
    merge::method_named(name).merge(tensor, out.data());
    CHECK(same_bits(out, models.inputs[0]));
  }
  for (const std::string name : {"nuslerp", "multislerp", "model_stock", "ties", "della", "ram", "sce"}) {
    Models models = random_models(random, {11, 20}, 1);
    models.inputs.assign(2, models.inputs[0]);
    set_usual(models, 1);
    models.of_tensor = {{"epsilon", 1e-9}};
    INFO(name);
    CHECK(units_apart(merged(name, models), models.inputs[0]) <= 1);
  }
}

TEST_CASE("lambda 0 leaves the base bit for bit, even where a delta is infinite") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (const std::string name : {"task_arithmetic", "ties", "dare_linear", "dare_ties", "breadcrumbs",
                                 "breadcrumbs_ties", "della_linear", "della"}) {
    Models models = random_models(random, {9, 30}, 3);
    set_usual(models);
    models.of_tensor = {{"lambda", 0}};
    models.inputs[0][5] = std::numeric_limits<float>::infinity();
    INFO(name);
    CHECK(same_bits(merged(name, models), models.base));
  }
}

TEST_CASE("at density 1 nothing is dropped: the sparse methods are their plain sum") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  Models models = random_models(random, {9, 30}, 3);
  set_usual(models, 1);
  const auto sum = merged("task_arithmetic", models);
  for (const std::string name : {"dare_linear", "breadcrumbs", "della_linear"})
    CHECK(same_bits(merged(name, models), sum));
  const auto elected = merged("dare_ties", models);
  CHECK(same_bits(merged("breadcrumbs_ties", models), elected));
  models.of_tensor = {{"normalize", 0}};
  CHECK(same_bits(merged("ties", models), elected));
  CHECK(same_bits(merged("della", models), elected));
  CHECK_FALSE(same_bits(elected, sum));
}

TEST_CASE("one model of weight 1 comes out as it is") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  Models models = random_models(random, {9, 30}, 1);
  models.of_inputs = {{{"weight", 1}}};
  models.of_tensor = {{"epsilon", 0}};
  for (const std::string name :
       {"linear", "task_arithmetic", "ties", "dare_ties", "breadcrumbs", "della", "passthrough", "ram"}) {
    INFO(name);
    CHECK(same_bits(merged(name, models), models.inputs[0]));
  }
}

TEST_CASE("the order of inputs does not matter: bit for bit for two of a sum, else to a unit of float32") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (const Method& method : merge::methods()) {
    if (method.max_inputs < 2) continue;
    Models models = random_models(random, {13, 21}, several(method));
    set_usual(models);
    std::vector<size_t> order(models.inputs.size());
    std::iota(order.rbegin(), order.rend(), 0);
    // Which entries chance drops depends on an input's place in the config.
    if (method.draws)
      for (auto& parameters : models.of_inputs) parameters.set("density", 1);
    INFO(std::string(method.name));
    CHECK(units_apart(merged(method, in_order(models, order)), merged(method, models)) <= 1);
    if (std::string(method.name) != "task_arithmetic" && std::string(method.name) != "linear") continue;
    models.inputs.resize(2);
    models.of_inputs.resize(2);
    CHECK(same_bits(merged(method, in_order(models, {1, 0})), merged(method, models)));
  }
}

TEST_CASE("stretches of an elementwise method are the whole, wherever it is cut") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  size_t num_elementwise = 0;
  for (const Method& method : merge::methods()) {
    if (!method.elementwise) continue;
    ++num_elementwise;
    for (const auto compat :
         {std::optional<DType>{}, std::optional(DType::F32), std::optional(DType::BF16)}) {
      Models models = random_models(random, {40, 60}, several(method));
      set_usual(models);
      models.compat = compat;
      const auto whole = merged(method, models);
      std::vector<float> parts(models.size());
      for (size_t at = 0; at < models.size();) {
        const size_t end = std::min(models.size(), at + 1 + random.below(900));
        method.merge(models.tensor(method, at, end), parts.data() + at);
        at = end;
      }
      INFO(std::string(method.name));
      CHECK(same_bits(parts, whole));
    }
  }
  CHECK(num_elementwise == 5);
}

TEST_CASE("doubling the deltas or lambda doubles what is added to a base of zeros") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (const Method& method : merge::methods()) {
    if (method.base != merge::BaseRule::REQUIRED || method.max_inputs == 1) continue;
    Models models = random_models(random, {13, 21}, 3);
    for (auto& input : models.inputs)
      for (size_t i = 0; i < models.size(); ++i) input[i] -= models.base[i];
    models.base.assign(models.size(), 0.0f);
    set_usual(models);
    auto expected = merged(method, models);
    for (float& value : expected) value *= 2;
    Models doubled = models;
    for (auto& input : doubled.inputs)
      for (float& value : input) value *= 2;
    doubled.of_tensor.set("epsilon", 0.02);
    INFO(std::string(method.name));
    CHECK(same_bits(merged(method, doubled), expected));
    if (!std::string(method.name).starts_with("sce") && !std::string(method.name).starts_with("ram") &&
        !std::string(method.name).starts_with("model")) {
      models.of_tensor.set("lambda", 2);
      CHECK(same_bits(merged(method, models), expected));
    }
  }
}

TEST_CASE("dropping by chance keeps the density within five sigma, and the sum of magnitudes") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (const auto compat : {std::optional<DType>{}, std::optional(DType::F32)}) {
    for (const std::string name : {"dare_linear", "della_linear"}) {
      for (const double density : {0.1, 0.5, 0.85}) {
        Models models{{300, 200}, std::vector<float>(60'000, 0.0f), {std::vector<float>(60'000)}, {}};
        for (float& value : models.inputs[0]) value = normal(random);
        models.of_inputs = {{{"weight", 1}, {"density", density}, {"epsilon", 0.09}}};
        models.compat = compat;
        double before = 0, after = 0;
        std::vector<uint8_t> kept;
        for (const float value : models.inputs[0]) before += std::fabs(value);
        for (const float value : merged(name, models, random.engine())) {
          after += std::fabs(value);
          kept.push_back(value != 0);
        }
        INFO(name, " at ", density);
        CHECK(std::fabs(mean_of(kept) - density) <= 5 * std::sqrt(density * (1 - density) / 60'000));
        CHECK(std::fabs(after / before - 1) < 1e-5);
      }
    }
  }
}

TEST_CASE("DELLA keeps large entries more often than small ones") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  Models models{{200, 100}, std::vector<float>(20'000, 0.0f), {std::vector<float>(20'000)}, {}};
  for (size_t i = 0; i < models.size(); ++i) models.inputs[0][i] = static_cast<float>(i % 100 + 1);
  models.of_inputs = {{{"weight", 1}, {"density", 0.5}, {"epsilon", 0.4}}};
  std::vector<uint8_t> small, large;
  const auto out = merged("della_linear", models, random.engine());
  for (size_t i = 0; i < out.size(); ++i) (i % 100 < 50 ? small : large).push_back(out[i] != 0);
  CHECK(std::fabs(mean_of(small) - 0.3) < 0.03);
  CHECK(std::fabs(mean_of(large) - 0.7) < 0.03);
}

TEST_CASE("neither the other inputs nor their number change what chance drops of one") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  Models three = random_models(random, {20, 30}, 3);
  set_usual(three);
  three.of_tensor = {{"rescale", 0}};
  Models one = three;
  for (size_t i = 1; i < 3; ++i) three.of_inputs[i].set("weight", 0);
  one.inputs.resize(1);
  one.of_inputs.resize(1);
  CHECK(same_bits(merged("dare_linear", one), merged("dare_linear", three)));
  three.name = "another.weight";
  CHECK_FALSE(same_bits(merged("dare_linear", one), merged("dare_linear", three)));
}

TEST_CASE("on the sphere a mean of models of one length has that length") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  Models models = random_models(random, {20, 30}, 3);
  const auto length = [](const std::vector<float>& values) {
    double sum = 0;
    for (const float value : values) sum += double{value} * value;
    return std::sqrt(sum);
  };
  for (auto& input : models.inputs) {
    const auto factor = static_cast<float>(5 / length(input));
    for (float& value : input) value *= factor;
  }
  CHECK(std::fabs(length(merged("karcher", models)) - 5) < 1e-5);
  models.base = models.inputs[0];
  models.inputs = {models.inputs[1]};
  models.of_tensor = {{"t", 0.37}};
  CHECK(std::fabs(length(merged("slerp", models)) - 5) < 1e-5);
}

TEST_CASE("slerp at t = 0 is the base, at t = 1 the other, and t and 1 - t are each other's mirror") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  Models models = random_models(random, {20, 30}, 1);
  for (float& value : models.inputs[0]) value = 0.3f * normal(random);
  const auto at = [&](double t) {
    models.of_tensor = {{"t", t}};
    return merged("slerp", models);
  };
  CHECK(units_apart(at(0), models.base) == 0);
  CHECK(units_apart(at(1), models.inputs[0]) == 0);
  const auto there = at(0.3);
  std::swap(models.base, models.inputs[0]);
  CHECK(units_apart(at(0.7), there) <= 1);
}

TEST_CASE("tensors of zeros and of one element merge to numbers") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (const Method& method : merge::methods()) {
    for (const auto compat : {std::optional<DType>{}, std::optional(DType::BF16)}) {
      Models models = random_models(random, {4}, several(method));
      set_usual(models, 0.9);
      models.compat = compat;
      models.of_tensor.set("select_topk", 1);
      models.inputs[0].assign(4, 0.0f);
      INFO(std::string(method.name));
      for (const float value : merged(method, models)) CHECK(std::isfinite(value));
      models.base.assign(4, 0.0f);
      for (const float value : merged(method, models)) CHECK(std::isfinite(value));
      Models tiny = random_models(random, {1}, std::max(fewest(method), size_t{1}));
      set_usual(tiny, compat ? 1 : 0.5);
      tiny.compat = compat;
      for (const float value : merged(method, tiny)) CHECK(std::isfinite(value));
    }
  }
}

TEST_CASE("a method that takes tensors as a whole looks at the job once a pass, and ends where that throws") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (const Method& method : merge::methods()) {
    if (method.elementwise) continue;
    for (const auto compat : {std::optional<DType>(), std::optional<DType>(DType::BF16)}) {
      Models models = random_models(random, {128, 64}, several(method));
      set_usual(models);
      models.compat = compat;
      INFO(std::string(method.name), std::string(compat ? " with compat" : ""));
      size_t looks = 0;
      merged(method, models, 1, [&] { ++looks; });
      CHECK(looks >= models.inputs.size());
      const size_t last = looks;
      looks = 0;
      CHECK_THROWS_AS(merged(method, models, 1,
                             [&] {
                               if (++looks == last) throw Cancelled{};
                             }),
                      Cancelled);
    }
  }
}

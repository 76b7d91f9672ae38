// What does not fit together is refused before anything is written.
#include "trio.h"

using namespace tongueforge;
using namespace tongueforge::testing;
namespace fs = std::filesystem;

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

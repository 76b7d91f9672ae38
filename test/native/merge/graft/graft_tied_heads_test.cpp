// Heads that are the embedding, in some of the three models.
#include "trio.h"

using namespace tongueforge;
using namespace tongueforge::testing;

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

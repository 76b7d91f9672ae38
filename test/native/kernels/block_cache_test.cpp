#include "kernels/block_cache.h"

#include "doctest.h"

#include <thread>
#include <vector>

#include "core/random.h"
#include "kernels/aten.h"

using namespace tongueforge;
using kernels::block_cache_bytes;
using kernels::BlockCacheUse;

namespace {

constexpr int64_t kKib = int64_t{1} << 10, kMib = int64_t{1} << 20;

at::Tensor bytes_tensor(int64_t bytes) { return at::empty({bytes}, at::kByte); }

}  // namespace

TEST_CASE("a block that a tensor drops is the next tensor's of about its size") {
  const BlockCacheUse use;
  bytes_tensor(20 * kMib).reset();  // so much may be kept
  auto first = bytes_tensor(4 * kMib);
  const void* block = first.data_ptr();
  first.reset();
  const auto smaller = bytes_tensor(3 * kMib);
  CHECK(smaller.data_ptr() != block);  // a quarter of it would lie idle
  first = bytes_tensor(4 * kMib - 100 * kKib);
  CHECK(first.data_ptr() == block);
}

TEST_CASE("what is kept and what is used never exceed the most that was used at once") {
  const uint64_t seed = 11;
  CAPTURE(seed);
  Random random(seed);
  const BlockCacheUse use;
  std::vector<at::Tensor> tensors(20);
  int64_t reused = 0;
  for (int i = 0; i < 3000; i++) {
    const auto before = block_cache_bytes();
    auto& tensor = tensors[random.next() % tensors.size()];
    tensor.reset();
    if (random.uniform() < 0.7) {
      tensor = bytes_tensor(static_cast<int64_t>(100 * kKib + random.next() % (3 * kMib)));
      tensor.fill_(i % 256);
    }
    const auto now = block_cache_bytes();
    REQUIRE(now.used + now.kept <= now.peak);
    REQUIRE(now.peak >= before.peak);
    if (now.used > before.used && now.used + now.kept == before.used + before.kept) reused++;
  }
  CHECK(reused > 100);
  for (size_t i = 0; i < tensors.size(); i++)  // no block belongs to two of them
    for (size_t j = 0; j < i; j++)
      if (tensors[i].defined() && tensors[j].defined()) CHECK(tensors[i].data_ptr() != tensors[j].data_ptr());
}

TEST_CASE("the end of the last use gives all back, and tensors outlive it") {
  at::Tensor left;
  {
    const BlockCacheUse outer;
    {
      const BlockCacheUse inner;
      left = at::full({kMib}, 7, at::kByte);
      bytes_tensor(2 * kMib).reset();
    }
    CHECK(block_cache_bytes().kept == 2 * kMib);
  }
  CHECK(block_cache_bytes().kept == 0);
  CHECK(block_cache_bytes().peak == 0);
  CHECK(left.eq(7).all().item<bool>());
  CHECK(block_cache_bytes().used == kMib);
  left.reset();
  CHECK(block_cache_bytes().used == 0);
  CHECK(block_cache_bytes().kept == 0);
  bytes_tensor(2 * kMib).reset();
  CHECK(block_cache_bytes().kept == 0);  // nobody uses it
}

TEST_CASE("memory that is not to be had is counted by nobody") {
  const BlockCacheUse use;
  const auto before = block_cache_bytes();
  CHECK_THROWS(bytes_tensor(int64_t{1} << 60));
  CHECK(block_cache_bytes().used == before.used);
}

TEST_CASE("threads share the blocks") {
  const BlockCacheUse use;
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int t = 0; t < 4; t++)
    threads.emplace_back([t, &wrong] {
      Random random(static_cast<uint64_t>(t));
      for (int i = 0; i < 300; i++) {
        const auto mine = at::full({static_cast<int64_t>(kMib + random.next() % kMib)}, t, at::kByte);
        if (!mine.eq(t).all().item<bool>()) wrong[static_cast<size_t>(t)]++;
      }
    });
  for (auto& thread : threads) thread.join();
  for (const int count : wrong) CHECK(count == 0);
  const auto now = block_cache_bytes();
  CHECK(now.used + now.kept <= now.peak);
}

#include "train/memory_use.h"

#include "doctest.h"
#include "kernels/aten.h"
#include "models/tiny_decoder.h"
#include "train/fixtures.h"

using namespace tongueforge;
using namespace tongueforge::test;

namespace {

c10::OutOfMemoryError thrown(const std::string& words) {
  return c10::OutOfMemoryError({__func__, __FILE__, static_cast<uint32_t>(__LINE__)}, words);
}

const train::Gpu kGpu = {at::Device(at::kCUDA, 1), {80'000'000'000, 1'000'000'000}, {0, 79'000'000'000}};

}  // namespace

TEST_CASE("a step without room tells what it asked for, and what takes how much") {
  const train::MemoryUse use = {2'000'000'000, 4'000'000'000, 8'000'000'000, 2'000'000'000};
  const auto error =
      train::out_of_memory(thrown("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 1 has a total "
                                  "capacity of 79.10 GiB of which 1.00 GiB is free."),
                           use, kGpu);
  CHECK(error.code() == "ERR_OUT_OF_MEMORY");
  CHECK(
      error.message() ==
      "Expected the step to fit into cuda:1, and there was no room for 2.50 GiB more: of 80.00 GB, weights "
      "2.00 GB, float32 masters 4.00 GB, the optimizer 8.00 GB, gradients 2.00 GB, activations and the rest "
      "63.00 GB");
  CHECK(error.hint().find("fewer rows a batch") != std::string::npos);
  CHECK(error.details()[1] == std::pair<std::string, std::string>{"asked", "2.50 GiB"});
}

TEST_CASE("what is not held is not listed, and other words of libtorch are no trouble") {
  const auto error = train::out_of_memory(thrown("no luck"), {.weights = 80'000'000'000}, kGpu);
  CHECK(
      error.message() ==
      "Expected the step to fit into cuda:1, and there was no room for more: of 80.00 GB, weights 80.00 GB");
}

TEST_CASE("a training counts what it holds by what it is for") {
  auto options = kOptions;
  const auto model = tiny_decoder();
  const auto weights = model->bytes();
  const auto wide = train::Trainer(model, options).memory_use();
  CHECK(wide.weights == weights);
  CHECK(wide.masters == 0);  // the weights themselves
  CHECK(wide.gradients == weights);
  CHECK(wide.state > 2 * weights);
  options.compute = at::kBFloat16;
  const train::Trainer half(tiny_decoder(), options);
  const auto use = half.memory_use();
  CHECK(use.weights == weights / 2);
  CHECK(use.masters == weights);
  CHECK(use.gradients == weights / 2);
  CHECK(half.bytes() == use.total());
}

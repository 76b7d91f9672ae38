#include "models/device.h"

#include "core/error.h"
#include "gpu.h"
#include "models/tiny_decoder.h"

using namespace tongueforge;

namespace {

std::string code_of(const std::string& name) {
  try {
    models::device_from_name(name);
    return "";
  } catch (const Error& error) { return error.code(); }
}

}  // namespace

TEST_CASE("a device that is not there is refused, and so are words that are none") {
  CHECK(models::device_from_name("cpu") == at::Device(at::kCPU));
  for (const char* word : {"", "gpu", "cud", "cuda:", "cuda:x", "cuda:-1", "cuda1", "cuda:0001", "mps"}) {
    CAPTURE(word);
    CHECK(code_of(word) == "ERR_USAGE");
  }
  CHECK(code_of("cuda:99") == "ERR_DEVICE");
  if (models::num_gpus() == 0) CHECK(code_of("cuda") == "ERR_DEVICE");
}

TEST_CASE("cuda: hidden states on the GPU are those of the CPU, packed or not") {
  const auto device = test::gpu();
  if (!device) return;
  const at::NoGradGuard no_grad;
  const auto here = test::tiny_decoder(), there = test::tiny_decoder();
  models::move_to(*there, *device);
  CHECK(there->device() == *device);
  for (const auto& parameter : there->parameters()) CHECK(parameter.tensor->device() == *device);
  const auto ids = at::randint(0, 50, {3, 17}, at::detail::createCPUGenerator(3), at::kLong);
  auto segments = at::zeros_like(ids);
  segments.slice(1, 5).fill_(1);
  segments.slice(1, 14).fill_(-1);
  const auto near = [](const at::Tensor& a, const at::Tensor& b) {
    return (a.cpu() - b).abs().max().item<double>() < 1e-4;
  };
  CHECK(near(there->hidden(ids), here->hidden(ids)));
  const auto kept = segments.ge(0).unsqueeze(2);
  CHECK(
      near(there->hidden_packed({ids, segments}).cpu() * kept, here->hidden_packed({ids, segments}) * kept));
}

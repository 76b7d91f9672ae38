// libFuzzer's entry points: `fuzz --target=NAME [libFuzzer's own options] CORPUS...`.
#include <sanitizer/allocator_interface.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bytes.h"
#include "targets.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace tongueforge::fuzz {
namespace {

const Target* target = nullptr;

// What is held now and was held at most, counted by hooks of the sanitizer's allocator: also what a vector
// takes for a moment while it grows.
thread_local bool counting = false;
thread_local size_t held = 0, most = 0;

void on_malloc(const volatile void* pointer, size_t size) {
  if (!counting || pointer == nullptr) return;
  held += size;
  most = std::max(most, held);
}

void on_free(const volatile void* pointer) {
  if (!counting || pointer == nullptr) return;
  const size_t size = __sanitizer_get_allocated_size(pointer);
  held -= std::min(held, size);  // what was taken before the input came is not counted
}

void run(std::string_view input) {
  held = most = 0, counting = true;
  target->run(input);
  counting = false;
  if (most <= target->memory(input.size())) return;
  std::fprintf(stderr, "%s: %zu bytes were held for an input of %zu, expected at most %zu\n", target->name,
               most, input.size(), target->memory(input.size()));
  std::abort();
}

void blind(std::string& bytes) {
  const size_t size = bytes.size();
  bytes.resize(std::max(kMaxInput, size));
  bytes.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(bytes.data()), size, bytes.size()));
}

}  // namespace
}  // namespace tongueforge::fuzz

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  using namespace tongueforge::fuzz;
  for (int i = 1; i < *argc; i++)  // libFuzzer passes over options with two dashes
    for (const Target* one : kTargets)
      if ((*argv)[i] == std::string("--target=") + one->name) target = one;
  if (target == nullptr) {
    std::fprintf(stderr, "usage: fuzz --target=NAME [options of libFuzzer] CORPUS...\n");
    std::exit(2);
  }
  __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tongueforge::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  using namespace tongueforge::fuzz;
  Dice dice(seed);
  std::string input(reinterpret_cast<const char*>(data), size);
  target->mutate(input, dice, blind);
  if (input.size() > max_size) input.resize(max_size);
  std::memcpy(data, input.data(), input.size());
  return input.size();
}

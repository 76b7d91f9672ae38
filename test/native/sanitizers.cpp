// What the sanitizers ask the native tests when these are built with them (npm run test:sanitizers): options,
// and the one list of what is not reported. In the program itself, so that no way to start it forgets them;
// the variables ASAN_OPTIONS, UBSAN_OPTIONS and TSAN_OPTIONS still have the last word. In an ordinary build
// nobody asks.
//
// And what each is to find: `native_tests --break NAME` does it, so that a run that reports nothing is known
// to look.
#include <climits>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#define ASKED_BY_A_SANITIZER extern "C" __attribute__((visibility("default"))) const char*

// Tests ask libtorch for sizes that no machine has: it is to answer, not the allocator of the sanitizer.
ASKED_BY_A_SANITIZER __asan_default_options() {
  return "allocator_may_return_null=1:detect_stack_use_after_return=1:check_initialization_order=1:"
         "strict_init_order=1:strict_string_checks=1";
}

// By itself it prints, goes on, and lets the program end with 0.
ASKED_BY_A_SANITIZER __ubsan_default_options() { return "halt_on_error=1:print_stacktrace=1"; }

namespace tongueforge::test {
namespace {

// Not seen through by the compiler, which would drop or refuse what is broken.
template <class T>
T unknown(T value) {
  volatile T kept = value;
  return kept;
}

void read_past_the_end() {
  const std::vector<int> numbers(unknown(7), 1);
  std::printf("%d\n", numbers.data()[unknown(7)]);
}

void leak() { std::printf("%p\n", static_cast<void*>(new int[unknown(100)])); }

void overflow() { std::printf("%d\n", unknown(INT_MAX) + unknown(1)); }

void race() {
  int number = 0;
  std::jthread other([&] { number = unknown(1); });
  number = unknown(2);
}

}  // namespace

/// Does what a sanitizer reports: `past-end`, `leak`, `overflow` or `race`. False for another name.
bool break_on_purpose(const std::string& name) {
  if (name == "past-end") return read_past_the_end(), true;
  if (name == "leak") return leak(), true;
  if (name == "overflow") return overflow(), true;
  if (name == "race") return race(), true;
  return false;
}

}  // namespace tongueforge::test

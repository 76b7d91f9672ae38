// The one main of the native tests: doctest finds the cases that the other files register.
// `native_tests --bench-ops [NAME]` times the fused ops instead.
#define DOCTEST_CONFIG_IMPLEMENT
#include "doctest.h"

namespace tongueforge::test {
void bench_ops(const std::string& name);  // kernels/op_case.h, which costs all of ATen
}

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "--bench-ops") {
    tongueforge::test::bench_ops(argc > 2 ? argv[2] : "");
    return 0;
  }
  return doctest::Context(argc, argv).run();
}

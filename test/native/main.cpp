// The one main of the native tests: doctest finds the cases that the other files register.
// `native_tests --bench-ops [NAME|all] [cuda]` times the fused ops instead, on a GPU on request;
// `native_tests --break NAME` is for the sanitizers (sanitizers.cpp).
#include <csignal>

#define DOCTEST_CONFIG_IMPLEMENT
#include "doctest.h"

namespace tongueforge::test {
void bench_ops(const std::string& name);  // kernels/op_case.h, which costs all of ATen
void bench_ops_cuda(const std::string& name);
bool break_on_purpose(const std::string& name);  // sanitizers.cpp
}  // namespace tongueforge::test

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // as in Node: a peer that is gone is an error of its socket, not our end
  if (argc > 1 && std::string(argv[1]) == "--bench-ops") {
    const std::string name = argc > 2 ? argv[2] : "";
    const bool on_cuda = argc > 3 && std::string(argv[3]) == "cuda";
    on_cuda ? tongueforge::test::bench_ops_cuda(name) : tongueforge::test::bench_ops(name);
    return 0;
  }
  if (argc > 2 && std::string(argv[1]) == "--break")
    return tongueforge::test::break_on_purpose(argv[2]) ? 0 : 2;
  return doctest::Context(argc, argv).run();
}

// The main of `plain_tests`; `plain_tests --break NAME` is for the sanitizers, as in test/native/main.cpp.
#include <csignal>
#include <string>

#define DOCTEST_CONFIG_IMPLEMENT
#include "doctest.h"

namespace tongueforge::test {
bool break_on_purpose(const std::string& name);  // test/native/sanitizers.cpp
}

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  if (argc > 2 && std::string(argv[1]) == "--break")
    return tongueforge::test::break_on_purpose(argv[2]) ? 0 : 2;
  return doctest::Context(argc, argv).run();
}

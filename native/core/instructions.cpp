#include "core/instructions.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace tongueforge {
namespace {

Instructions best() {
#if defined(__x86_64__)
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx2 && avx512 ? Instructions::Avx512 : avx2 ? Instructions::Avx2 : Instructions::Any;
#else
  return Instructions::Any;
#endif
}

Instructions wanted() {
  const char* const text = std::getenv("TONGUEFORGE_INSTRUCTIONS");
  const std::string_view name = text ? text : "";
  return name == "any" ? Instructions::Any : name == "avx2" ? Instructions::Avx2 : Instructions::Avx512;
}

}  // namespace

Instructions instructions() {
  static const Instructions chosen = std::min(best(), wanted());
  return chosen;
}

}  // namespace tongueforge

#include "kernels/torch_error.h"

#include <string_view>

namespace tongueforge::kernels {

Error error_of_torch(const c10::Error& error, const std::string& memory_hint) {
  constexpr std::string_view kOfTheCpu = "DefaultCPUAllocator: ";
  const std::string said = error.what_without_backtrace();
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr)
    return Error("ERR_OUT_OF_MEMORY", said, memory_hint);
  const size_t at = said.find(kOfTheCpu);
  if (at == std::string::npos) return Error("ERR_TORCH", said);
  return Error("ERR_OUT_OF_MEMORY", "Out of memory: " + said.substr(at + kOfTheCpu.size()), memory_hint);
}

}  // namespace tongueforge::kernels

#include "train/memory_use.h"

#include <algorithm>
#include <iomanip>
#include <sstream>

namespace tongueforge::train {
namespace {

std::string gigabytes(int64_t bytes) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(2) << static_cast<double>(bytes) / 1e9 << " GB";
  return text.str();
}

// "2.00 GiB" of libtorch's "Tried to allocate 2.00 GiB. GPU 0 has ..."; empty where it says nothing of it.
std::string asked_for(const std::string& words) {
  const std::string before = "Tried to allocate ";
  const size_t begin = words.find(before);
  if (begin == std::string::npos) return "";
  const size_t from = begin + before.size(), end = words.find(". ", from);
  return words.substr(from, end == std::string::npos ? end : end - from);
}

}  // namespace

Error out_of_memory(const c10::OutOfMemoryError& error, const MemoryUse& use, const Gpu& gpu) {
  const auto asked = asked_for(error.what_without_backtrace());
  const int64_t rest = std::max<int64_t>(gpu.use.peak - use.total(), 0);
  const std::pair<const char*, int64_t> parts[] = {{"weights", use.weights},
                                                   {"float32 masters", use.masters},
                                                   {"the optimizer", use.state},
                                                   {"gradients", use.gradients},
                                                   {"activations and the rest", rest}};
  std::string listed;
  for (const auto& [name, bytes] : parts)
    if (bytes > 0) listed += str(listed.empty() ? "" : ", ", name, " ", gigabytes(bytes));
  return Error(
      "ERR_OUT_OF_MEMORY",
      str("Expected the step to fit into ", gpu.device.str(), ", and there was no room for ",
          asked.empty() ? "more" : asked + " more", ": of ", gigabytes(gpu.room.total), ", ", listed),
      "Use shorter rows, fewer rows a batch, activation checkpointing, adapters (LoRA) or Adafactor.",
      {{"device", gpu.device.str()},
       {"asked", asked},
       {"total_bytes", str(gpu.room.total)},
       {"available_bytes", str(gpu.room.available)},
       {"weights_bytes", str(use.weights)},
       {"masters_bytes", str(use.masters)},
       {"state_bytes", str(use.state)},
       {"gradients_bytes", str(use.gradients)},
       {"rest_bytes", str(rest)}});
}

}  // namespace tongueforge::train

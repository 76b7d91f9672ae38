// Who records, waits for a whole GPU or empties libtorch's allocator does so alone.
#pragma once
#include <mutex>

namespace tongueforge::kernels {

/// While a stream of a GPU is recorded, CUDA refuses to wait for that GPU, and ends the recording as well;
/// the allocator refuses to be emptied. Of the process: libtorch counts recordings without asking on which
/// GPU.
inline std::mutex& recording_mutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace tongueforge::kernels

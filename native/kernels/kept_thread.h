// A thread that stays: for libraries that keep what they have prepared by thread, where each job has a new
// one.
#pragma once
#include <functional>

namespace tongueforge::kernels {

/// Does `work` on the kept thread and waits for it: on the caller's current stream of its CUDA device,
/// without recording gradients. Throws what it throws. Calls of several threads take turns.
void on_kept_thread(const std::function<void()>& work);

}  // namespace tongueforge::kernels

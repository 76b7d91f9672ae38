#include "kernels/kept_thread.h"

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "kernels/aten.h"

namespace tongueforge::kernels {
namespace {

std::optional<c10::Stream> current_stream() {
  if (!at::globalContext().hasCUDA()) return std::nullopt;
  const c10::impl::VirtualGuardImpl cuda(at::kCUDA);
  return cuda.getStream(cuda.getDevice());
}

class KeptThread {
 public:
  KeptThread() { std::thread(&KeptThread::run, this).detach(); }

  void perform(const std::function<void()>& work) {
    const std::lock_guard turn(turns_);
    std::unique_lock lock(mutex_);
    work_ = &work, stream_ = current_stream();
    changed_.notify_all();
    changed_.wait(lock, [this] { return work_ == nullptr; });
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

 private:
  void run() {
    const at::NoGradGuard no_grad;
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return work_ != nullptr; });
      try {
        const c10::OptionalStreamGuard stream(stream_);
        (*work_)();
      } catch (...) { failure_ = std::current_exception(); }
      work_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex turns_, mutex_;
  std::condition_variable changed_;
  const std::function<void()>* work_ = nullptr;
  std::optional<c10::Stream> stream_;
  std::exception_ptr failure_;
};

}  // namespace

// Never ends, as its thread does not: what a library keeps for it may not be there any more when a process
// ends.
void on_kept_thread(const std::function<void()>& work) {
  static auto* const thread = new KeptThread;
  thread->perform(work);
}

}  // namespace tongueforge::kernels

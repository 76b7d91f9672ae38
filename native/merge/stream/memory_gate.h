// Keeps the memory of work that is done at the same time below a limit.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace tongueforge::merge {

inline constexpr uint64_t kMemoryBytes = uint64_t{256} << 20;  // of chunks at a time; a larger one runs alone
inline constexpr uint64_t kKeptBytes = uint64_t{16} << 20;     // by a workspace from chunk to chunk

/// Lets work pass while its memory fits, and one piece of work of any size.
class MemoryGate {
 public:
  explicit MemoryGate(uint64_t limit) : limit_(limit) {}

  /// Held while the work is done.
  class Pass {
   public:
    Pass(MemoryGate& gate, uint64_t bytes) : gate_(gate), bytes_(bytes) { gate.enter(bytes); }
    Pass(const Pass&) = delete;
    ~Pass() { gate_.leave(bytes_); }

   private:
    MemoryGate& gate_;
    uint64_t bytes_;
  };

 private:
  void enter(uint64_t bytes) {
    std::unique_lock lock(mutex_);
    may_enter_.wait(lock, [&] { return used_ == 0 || used_ + bytes <= limit_; });
    used_ += bytes;
  }
  void leave(uint64_t bytes) {
    {
      std::lock_guard lock(mutex_);
      used_ -= bytes;
    }
    may_enter_.notify_all();
  }

  const uint64_t limit_;
  std::mutex mutex_;
  std::condition_variable may_enter_;
  uint64_t used_ = 0;
};

}  // namespace tongueforge::merge

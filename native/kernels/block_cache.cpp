#include "kernels/block_cache.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>

namespace tongueforge::kernels {
namespace {

constexpr size_t kLeastBytes = size_t{128} << 10;  // what malloc, too, asks of the system one by one

// libtorch has one allocator a process and keeps it for ever, so this is one of the few things here that may
// be global. It stands in front of the one before it and differs from it only while somebody uses it.
class BlockCache final : public c10::Allocator {
 public:
  static BlockCache& instance() {
    static auto* cache = new BlockCache(c10::GetCPUAllocator());  // never deleted: tensors outlive statics
    return *cache;
  }

  void begin_use() {
    const std::lock_guard lock(mutex_);
    uses_++;
  }

  void end_use() {
    const std::lock_guard lock(mutex_);
    if (--uses_ > 0) return;
    while (!kept_.empty()) give_back(kept_.begin());
    peak_bytes_ = 0;
  }

  BlockCacheBytes bytes() {
    const std::lock_guard lock(mutex_);
    return {used_bytes_, kept_bytes_, peak_bytes_};
  }

  c10::DataPtr allocate(size_t bytes) override {
    if (bytes < kLeastBytes) return base_->allocate(bytes);
    {
      const std::lock_guard lock(mutex_);
      if (uses_ == 0) return base_->allocate(bytes);
      if (void* block = take_kept(bytes)) return owned(block);
      count_used(static_cast<int64_t>(bytes));
      while (!kept_.empty() && used_bytes_ + kept_bytes_ > peak_bytes_) give_back(longest_kept());
    }
    void* block = map(bytes);  // outside of the lock, as the system may take long
    const std::lock_guard lock(mutex_);
    if (block == nullptr) {
      count_used(-static_cast<int64_t>(bytes));
      return base_->allocate(bytes);  // throws as libtorch does, or finds some yet
    }
    sizes_[block] = bytes;
    return owned(block);
  }

  c10::DeleterFnPtr raw_deleter() const override { return &drop; }

  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  struct Kept {
    void* block;
    uint64_t since;
  };
  using KeptBlocks = std::multimap<size_t, Kept>;  // by size

  explicit BlockCache(c10::Allocator* base) : base_(base) { c10::SetCPUAllocator(this); }

  static c10::DataPtr owned(void* block) { return {block, block, &drop, c10::Device(c10::DeviceType::CPU)}; }

  // Of any block that this allocator or the one before it has made.
  static void drop(void* block) { instance().drop_block(block); }

  void drop_block(void* block) {
    std::unique_lock lock(mutex_);
    const auto it = sizes_.find(block);
    if (it == sizes_.end()) {
      lock.unlock();
      return base_->raw_deallocate(block);
    }
    const size_t bytes = it->second;
    sizes_.erase(it);
    count_used(-static_cast<int64_t>(bytes));
    kept_.emplace(bytes, Kept{block, clock_++});
    kept_bytes_ += static_cast<int64_t>(bytes);
    if (uses_ == 0) give_back(longest_kept());
  }

  // Not by malloc: the next step runs on another thread, whose arena has no use for what this one's holds.
  static void* map(size_t bytes) {
    void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block == MAP_FAILED ? nullptr : block;
  }

  // The smallest one that is large enough, unless more than an eighth of it would lie idle.
  void* take_kept(size_t bytes) {
    const auto it = kept_.lower_bound(bytes);
    if (it == kept_.end() || it->first > bytes + bytes / 8) return nullptr;
    void* block = it->second.block;
    sizes_[block] = it->first;
    kept_bytes_ -= static_cast<int64_t>(it->first);
    count_used(static_cast<int64_t>(it->first));
    kept_.erase(it);
    return block;
  }

  void count_used(int64_t bytes) {
    used_bytes_ += bytes;
    peak_bytes_ = std::max(peak_bytes_, used_bytes_);
  }

  KeptBlocks::iterator longest_kept() {
    return std::min_element(kept_.begin(), kept_.end(),
                            [](const auto& a, const auto& b) { return a.second.since < b.second.since; });
  }

  void give_back(KeptBlocks::iterator it) {
    kept_bytes_ -= static_cast<int64_t>(it->first);
    munmap(it->second.block, it->first);
    kept_.erase(it);
  }

  c10::Allocator* base_;
  std::mutex mutex_;
  int uses_ = 0;
  uint64_t clock_ = 0;
  int64_t used_bytes_ = 0, kept_bytes_ = 0, peak_bytes_ = 0;
  std::unordered_map<void*, size_t> sizes_;  // of blocks in use that were made here
  KeptBlocks kept_;
};

}  // namespace

BlockCacheUse::BlockCacheUse() { BlockCache::instance().begin_use(); }
BlockCacheUse::~BlockCacheUse() { BlockCache::instance().end_use(); }

BlockCacheBytes block_cache_bytes() { return BlockCache::instance().bytes(); }

}  // namespace tongueforge::kernels

#include "kernels/counted_allocator.h"

#include <c10/core/CPUAllocator.h>

#include "core/live_memory.h"

namespace tongueforge::kernels {
namespace {

class CountedAllocator final : public c10::Allocator {
 public:
  explicit CountedAllocator(c10::Allocator& below) : below_(below) {}

  c10::DataPtr allocate(size_t size) override {
    void* memory = below_.allocate(size).release_context();
    count_taken(memory);
    return {memory, memory, &give_back, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }

  void copy_data(void* to, const void* from, size_t size) const override { below_.copy_data(to, from, size); }

 private:
  static void give_back(void* memory) {
    count_freed(memory);
    c10::GetDefaultCPUAllocator()->raw_deleter()(memory);
  }

  c10::Allocator& below_;
};

}  // namespace

void count_cpu_tensors() {
  // Never destroyed: libtorch may make tensors until the very end of the process.
  static auto& allocator = *new CountedAllocator(*c10::GetDefaultCPUAllocator());
  c10::SetCPUAllocator(&allocator);
}

}  // namespace tongueforge::kernels

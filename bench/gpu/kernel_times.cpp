// What a program's time on a GPU goes to, kernel by kernel: a library that CUDA loads into it.
//   g++ -O2 -std=c++20 -shared -fPIC -I/usr/local/cuda/include bench/gpu/kernel_times.cpp -o kernel_times.so
//   CUDA_INJECTION64_PATH=$PWD/kernel_times.so KERNEL_TIMES=times.txt KERNEL_TIMES_LAST=1.0 node ...
// At the end it writes, for the last so many seconds between the first and last kernel: the share of the time
// in which some kernel ran, and by name their number, sum and mean. libcupti.so.13 has to be found
// (LD_LIBRARY_PATH).
#include <cupti.h>
#include <cxxabi.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace {

struct Span {
  uint64_t start, end;
  std::string name;
};

std::vector<Span> spans;
std::mutex mutex;
void* cupti = nullptr;

template <class Function>
Function* symbol(const char* name, Function*) {
  return reinterpret_cast<Function*>(dlsym(cupti, name));
}
#define CALL(name) symbol(#name, &name)

std::string readable(const char* mangled) {
  int status = 0;
  char* text = mangled ? abi::__cxa_demangle(mangled, nullptr, nullptr, &status) : nullptr;
  const std::string name = text ? text : mangled ? mangled : "?";
  std::free(text);
  return name;
}

void CUPTIAPI give_buffer(uint8_t** buffer, size_t* size, size_t* most) {
  *size = 8 << 20, *most = 0;
  *buffer = static_cast<uint8_t*>(std::aligned_alloc(8, *size));
}

void CUPTIAPI take_buffer(CUcontext, uint32_t, uint8_t* buffer, size_t, size_t valid) {
  const std::lock_guard lock(mutex);
  CUpti_Activity* record = nullptr;
  while (CALL(cuptiActivityGetNextRecord)(buffer, valid, &record) == CUPTI_SUCCESS) {
    if (record->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
      const auto* kernel = reinterpret_cast<CUpti_ActivityKernel10*>(record);
      spans.push_back({kernel->start, kernel->end, kernel->name ? kernel->name : "?"});
    } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
      const auto* copy = reinterpret_cast<CUpti_ActivityMemcpy6*>(record);
      spans.push_back({copy->start, copy->end, "copy"});
    } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMSET) {
      const auto* fill = reinterpret_cast<CUpti_ActivityMemset4*>(record);
      spans.push_back({fill->start, fill->end, "fill"});
    }
  }
  std::free(buffer);
}

void write_report() {
  CALL(cuptiActivityFlushAll)(1);
  const std::lock_guard lock(mutex);
  const char* const path = std::getenv("KERNEL_TIMES");
  FILE* const out = path ? std::fopen(path, "w") : stderr;
  if (!out || spans.empty()) return;
  std::ranges::sort(spans, {}, &Span::start);
  const char* const last = std::getenv("KERNEL_TIMES_LAST");
  const uint64_t stop = std::ranges::max(spans, {}, &Span::end).end;
  const uint64_t from = last ? stop - static_cast<uint64_t>(std::atof(last) * 1e9) : spans.front().start;
  struct Sum {
    uint64_t count = 0, time = 0;
  };
  std::map<std::string, Sum> by_name;
  uint64_t busy = 0, reached = from;
  for (const auto& [start, end, name] : spans) {
    if (start < from) continue;
    auto& sum = by_name[name];
    sum.count++, sum.time += end - start;
    if (end > reached) busy += end - std::max(start, reached), reached = end;
  }
  const double window = static_cast<double>(stop - from);
  std::fprintf(out, "%.3f ms, of which %.1f %% some kernel ran\n", window / 1e6,
               100 * static_cast<double>(busy) / window);
  std::vector<std::pair<std::string, Sum>> sums(by_name.begin(), by_name.end());
  std::ranges::sort(sums, std::greater(), [](const auto& each) { return each.second.time; });
  for (const auto& [name, sum] : sums)
    std::fprintf(out, "%9.3f ms %5.1f %% %7llu x %9.1f us  %.180s\n", static_cast<double>(sum.time) / 1e6,
                 100 * static_cast<double>(sum.time) / window, static_cast<unsigned long long>(sum.count),
                 static_cast<double>(sum.time) / 1e3 / static_cast<double>(sum.count),
                 readable(name.c_str()).c_str());
  std::fclose(out);
}

}  // namespace

extern "C" int InitializeInjection() {
  cupti = dlopen("libcupti.so.13", RTLD_NOW | RTLD_GLOBAL);
  if (!cupti) {
    std::fprintf(stderr, "kernel_times: %s\n", dlerror());
    return 1;
  }
  CALL(cuptiActivityRegisterCallbacks)(give_buffer, take_buffer);
  for (const auto kind :
       {CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMCPY, CUPTI_ACTIVITY_KIND_MEMSET})
    CALL(cuptiActivityEnable)(kind);
  std::atexit(write_report);
  return 1;
}

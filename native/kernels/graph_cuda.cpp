#include <ATen/core/grad_mode.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/Event.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <mutex>

#include "kernels/graph.h"
#include "kernels/recording_lock.h"

namespace tongueforge::kernels {
namespace {

using c10::cuda::CUDAStream;

// `later` goes on when all that `earlier` has been given so far is done.
void order(const CUDAStream& earlier, const CUDAStream& later) {
  c10::Event done(c10::DeviceType::CUDA);
  done.record(earlier.unwrap());
  done.block(later.unwrap());
}

c10::DeviceIndex index_of(at::Device device) {
  return device.has_index() ? device.index() : c10::cuda::current_device();
}

}  // namespace

struct Graph::Recording {
  explicit Recording(at::Device device)
      : device(index_of(device)),
        stream(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, this->device)),
        replayed(c10::DeviceType::CUDA) {}

  // What was started may still run, and uses memory that would be given away.
  ~Recording() {
    if (!graph) return;
    try {
      replayed.synchronize();
    } catch (const c10::Error&) {
      cudaGetLastError();  // the GPU has failed, and nothing runs there any more
    }
    const std::lock_guard alone(recording_mutex());
    forget(std::move(graph));
  }

  // So that neither the stream nor the allocator stays in the state of recording.
  void give_up(std::unique_ptr<at::cuda::CUDAGraph> begun) noexcept {
    try {
      begun->capture_end();
    } catch (const c10::Error&) {
      cudaGetLastError();
      give_pool_back();
    }
    forget(std::move(begun));
  }

  void give_pool_back() noexcept {
    try {
      c10::cuda::CUDACachingAllocator::endAllocateToPool(device, pool);
      c10::cuda::CUDACachingAllocator::releasePool(device, pool);
    } catch (const c10::Error&) {
      // The recording was never begun, or ended and could not be instantiated: then the graph gives it back.
    }
  }

  // libtorch's allocator would keep what a graph had, for nobody else, until the GPU is full.
  void forget(std::unique_ptr<at::cuda::CUDAGraph> unused) noexcept {
    unused.reset();
    try {
      c10::cuda::CUDACachingAllocator::emptyCache(pool);
    } catch (const c10::Error&) {
      cudaGetLastError();  // kept, then
    }
  }

  c10::DeviceIndex device;
  CUDAStream stream;            // never the default one, which cannot record
  c10::Event replayed;          // the last time
  c10::MempoolId_t pool{0, 0};  // of what the graph allocates
  std::unique_ptr<at::cuda::CUDAGraph> graph;
};

Graph::Graph(at::Device device) : recording_(std::make_unique<Recording>(device)) {}
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;

void Graph::rehearse(const std::function<void()>& body) {
  const auto current = c10::cuda::getCurrentCUDAStream(recording_->device);
  order(current, recording_->stream);
  {
    const c10::cuda::CUDAStreamGuard guard(recording_->stream);
    body();
  }
  order(recording_->stream, current);
}

void Graph::capture(const std::function<void()>& body) {
  auto& [device, stream, replayed, pool, graph] = *recording_;
  const std::lock_guard alone(recording_mutex());
  // Memory that the two still use is free again afterwards.
  for (const auto& used : {c10::cuda::getCurrentCUDAStream(device), stream}) used.synchronize();
  const c10::cuda::CUDAStreamGuard guard(stream);
  pool = at::cuda::graph_pool_handle();
  auto begun = std::make_unique<at::cuda::CUDAGraph>();
  try {
    // A backward pass has threads of its own, and all of them are watched; else other threads may go on.
    begun->capture_begin(
        pool, at::GradMode::is_enabled() ? cudaStreamCaptureModeGlobal : cudaStreamCaptureModeThreadLocal);
    body();
    begun->capture_end();
  } catch (...) {
    recording_->give_up(std::move(begun));
    throw;
  }
  graph = std::move(begun);
}

bool Graph::is_captured() const { return recording_->graph != nullptr; }

void Graph::replay() {
  recording_->graph->replay();
  recording_->replayed.record(c10::cuda::getCurrentCUDAStream(recording_->device).unwrap());
}

}  // namespace tongueforge::kernels

// Answers in a build without CUDA for what the CUDA files offer that is called without asking cuda::has_twin
// first.
#include "core/error.h"
#include "kernels/cuda/devices.h"
#include "kernels/graph.h"

namespace tongueforge::kernels {

namespace cuda {

Devices devices() { return {{}, "this build has no CUDA kernels"}; }

}  // namespace cuda

struct Graph::Recording {};

Graph::Graph(at::Device) {
  throw Error("ERR_DEVICE", "Expected a build with CUDA to record work of a GPU, received one without",
              "Build it on a machine with nvcc: npm run build -- --cuda.");
}
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;
void Graph::rehearse(const std::function<void()>&) {}
void Graph::capture(const std::function<void()>&) {}
bool Graph::is_captured() const { return false; }
void Graph::replay() {}

}  // namespace tongueforge::kernels

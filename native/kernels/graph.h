// A piece of GPU work that is recorded once and then started as one: hundreds of kernels cost the CPU one
// call (a CUDA graph).
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

namespace tongueforge::kernels {

// 1. What is recorded runs again with the same kernels, shapes and addresses: whatever changes from one run
//    to the next has to be in the memory of tensors that live as long as the graph.
// 2. The body must not wait for the GPU, look at a tensor's values or copy from memory of the CPU.
// 3. What the body allocates is the graph's own: tensors that it leaves to its caller hold what the last
//    replay wrote, until the graph goes. They have to go first: memory that is still held then stays with the
//    allocator, for nobody else, until all that it keeps is released.
// 4. A library prepares itself at its first call, which cannot be recorded: the body has to have run before,
//    on the graph's stream. If running it twice does harm, rehearse() with a run that counts.
class Graph {
 public:
  /// Throws ERR_DEVICE in a build without CUDA.
  explicit Graph(at::Device device);
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;

  /// Runs the body as it is, on the stream of the recording: after what the current stream has to do, and
  /// before what it is given from now on.
  void rehearse(const std::function<void()>& body);
  /// Records the body, backward passes included. Nothing of it runs. What it throws is passed on, and the
  /// graph is as before. To record another body, make another graph. Threads that record wait for each other;
  /// where gradients are recorded, no other thread may use the GPU meanwhile.
  void capture(const std::function<void()>& body);
  bool is_captured() const;
  /// Starts all that was recorded on the current stream.
  void replay();

 private:
  struct Recording;
  std::unique_ptr<Recording> recording_;
};

}  // namespace tongueforge::kernels

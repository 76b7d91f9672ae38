// The engines of collectives: c10d's process groups, made behind their base class.
#pragma once
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <string>

namespace tongueforge::distributed {

using StorePtr = c10::intrusive_ptr<c10d::Store>;
using BackendPtr = c10::intrusive_ptr<c10d::Backend>;

struct BackendOptions {
  int rank = 0, size = 1;
  std::chrono::milliseconds timeout{};
  std::string host;  // gloo: name or address of this host that the others reach; empty: by its own name
};

/// Gloo: tensors in main memory, and those of a GPU by way of it. GLOO_SOCKET_IFNAME names a network
/// interface to use instead of the host's.
BackendPtr make_gloo(const StorePtr& store, const BackendOptions& options);

/// NCCL: tensors of one GPU a process. Throws ERR_DEVICE in builds without CUDA.
BackendPtr make_nccl(const StorePtr& store, const BackendOptions& options);

}  // namespace tongueforge::distributed

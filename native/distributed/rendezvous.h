// Where the processes of a run meet: a key-value store, served by the first of them or by an agent such as
// torchrun's.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "core/job.h"
#include "distributed/backend.h"

namespace tongueforge::distributed {

struct Rendezvous {
  int rank = 0, size = 1;
  std::string address;  // of the store
  int port = 0;
  bool serves_store = false;  // this process does; else it is a guest
  std::string prefix;         // of all keys: a store may outlive a run
  std::chrono::milliseconds timeout{};
};

/// Serves the store, or connects once it is there. Throws ERR_DISTRIBUTED where the port is taken, or nobody
/// serves it in time.
StorePtr open_store(const Rendezvous& place, const Job& job);

/// Waits until all have come, and gives the host and process of each. Throws ERR_DISTRIBUTED that names the
/// ranks that have not come in time, and where two have one rank or another number of processes.
std::vector<std::string> meet(c10d::Store& store, const Rendezvous& place, const Job& job);

/// The address by which this host is seen from where the store is; empty where that cannot be told.
std::string own_address(const Rendezvous& place);

/// "1", "1 and 3", "1, 2 and 3".
std::string listed(const std::vector<int>& ranks);

}  // namespace tongueforge::distributed

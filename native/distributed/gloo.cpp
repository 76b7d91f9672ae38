// The only file that sees Gloo's types, and those by stand-ins: gloo_shim/gloo/context.h.
#define USE_C10D_GLOO 1
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <cstdlib>

#include "distributed/backend.h"

namespace tongueforge::distributed {

BackendPtr make_gloo(const StorePtr& store, const BackendOptions& options) {
  using Gloo = c10d::ProcessGroupGloo;
  const auto how = Gloo::Options::create(options.timeout);
  if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME"))
    how->devices.push_back(Gloo::createDeviceForInterface(interface));
  else if (options.host.empty())
    how->devices.push_back(Gloo::createDefaultDevice());
  else
    how->devices.push_back(Gloo::createDeviceForHostname(options.host));
  return c10::make_intrusive<Gloo>(store, options.rank, options.size, how);
}

}  // namespace tongueforge::distributed

// The only file that sees Gloo's types, and those by stand-ins: gloo_shim/gloo/context.h.
#define USE_C10D_GLOO 1
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <cstdlib>

#include "core/error.h"
#include "distributed/backend.h"

namespace tongueforge::distributed {
namespace {

// Gloo throws exceptions of its own.
auto device_of(const char* interface) {
  try {
    return c10d::ProcessGroupGloo::createDeviceForInterface(interface);
  } catch (const std::exception&) {
    throw Error(
        "ERR_DISTRIBUTED",
        str("Expected a network interface of this host in GLOO_SOCKET_IFNAME, received '", interface, "'"),
        "`ip address` lists them. Without the variable it is that of the host's name.");
  }
}

}  // namespace

BackendPtr make_gloo(const StorePtr& store, const BackendOptions& options) {
  using Gloo = c10d::ProcessGroupGloo;
  const auto how = Gloo::Options::create(options.timeout);
  if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME"))
    how->devices.push_back(device_of(interface));
  else if (options.host.empty())
    how->devices.push_back(Gloo::createDefaultDevice());
  else
    how->devices.push_back(Gloo::createDeviceForHostname(options.host));
  return c10::make_intrusive<Gloo>(store, options.rank, options.size, how);
}

}  // namespace tongueforge::distributed

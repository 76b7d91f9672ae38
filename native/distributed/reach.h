// What the network says of another host.
#pragma once
#include <string>

namespace tongueforge::distributed {

/// Whether something listens there now.
bool is_reachable(const std::string& host, int port);

/// The address of this host on the way to another one; empty where there is no way.
std::string address_towards(const std::string& host, int port);

}  // namespace tongueforge::distributed

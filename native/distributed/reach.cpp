#include "distributed/reach.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

namespace tongueforge::distributed {
namespace {

class Socket {
 public:
  explicit Socket(const addrinfo& address)
      : descriptor_(socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, address.ai_protocol)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (descriptor_ >= 0) close(descriptor_);
  }

  bool connect_to(const addrinfo& address) const {
    return descriptor_ >= 0 && connect(descriptor_, address.ai_addr, address.ai_addrlen) == 0;
  }

  std::string own_address() const {
    sockaddr_storage here{};
    socklen_t size = sizeof here;
    char text[NI_MAXHOST] = {};
    auto* name = reinterpret_cast<sockaddr*>(&here);
    if (getsockname(descriptor_, name, &size) != 0 ||
        getnameinfo(name, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0)
      return {};
    return text;
  }

 private:
  int descriptor_;
};

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Addresses addresses_of(const std::string& host, int port, int type) {
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = type;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found) != 0) found = nullptr;
  return {found, freeaddrinfo};
}

}  // namespace

bool is_reachable(const std::string& host, int port) {
  const auto addresses = addresses_of(host, port, SOCK_STREAM);
  for (const auto* one = addresses.get(); one; one = one->ai_next)
    if (Socket(*one).connect_to(*one)) return true;
  return false;
}

// A datagram socket that is connected sends nothing, but has chosen its way.
std::string address_towards(const std::string& host, int port) {
  const auto addresses = addresses_of(host, port, SOCK_DGRAM);
  for (const auto* one = addresses.get(); one; one = one->ai_next) {
    const Socket socket(*one);
    if (socket.connect_to(*one)) return socket.own_address();
  }
  return {};
}

}  // namespace tongueforge::distributed

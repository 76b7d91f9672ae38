// Processes of a group as threads of this one: Gloo and the store know no difference.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "distributed/group.h"

namespace tongueforge::test {

/// A port that nobody listens on now.
inline int free_port() {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(descriptor, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  close(descriptor);
  return ntohs(address.sin_port);
}

inline distributed::GroupOptions rank_of(int rank, int size, int port, int timeout_ms = 60000) {
  distributed::GroupOptions options;
  options.rank = rank;
  options.size = size;
  options.address = "127.0.0.1";
  options.port = port;
  options.serves_store = rank == 0;
  options.prefix = "test";
  options.timeout = std::chrono::milliseconds(timeout_ms);
  return options;
}

/// Does work(rank) in so many threads at once; throws what the first rank that failed threw.
inline void for_each_rank(int size, const std::function<void(int)>& work) {
  std::vector<std::exception_ptr> failures(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; rank++)
    threads.emplace_back([&, rank] {
      try {
        work(rank);
      } catch (...) { failures[static_cast<size_t>(rank)] = std::current_exception(); }
    });
  for (auto& thread : threads) thread.join();
  for (const auto& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

/// Does work in a group of so many, each of which leaves well.
inline void in_group(int size, const std::function<void(const std::shared_ptr<distributed::Group>&)>& work,
                     int timeout_ms = 60000, bool nccl = false) {
  const int port = free_port();
  for_each_rank(size, [&](int rank) {
    SilentJob job;
    auto options = rank_of(rank, size, port, timeout_ms);
    options.nccl = nccl;
    const auto group = distributed::Group::join(options, job);
    work(group);
    group->leave(nullptr);
  });
}

}  // namespace tongueforge::test

// libtorch has Gloo built in, but ships none of its headers, and c10d's ProcessGroupGloo.hpp includes five of
// them. These stand for them. They name what c10d's header names and no more, so their types are not the real
// ones: they are only ever held by pointers that libtorch made. Nothing here may be constructed, derived from
// or called.
#pragma once
#include <chrono>

namespace gloo {
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};
}  // namespace gloo

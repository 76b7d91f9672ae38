// The one way in which a file of torch is refused.
#pragma once
#include <cstdint>
#include <string>
#include <utility>

#include "core/error.h"

namespace tongueforge::checkpoint {

inline constexpr const char* kDamagedHint =
    "The file is cut short, damaged or of another kind: fetch it again, or save it again with torch.save.";

/// What is wrong, before it is known where: whoever knows the file and the place makes the error of it.
struct PickleFault {
  const char* reason;
  std::string message;
  std::string hint = kDamagedHint;
  std::string global = {};  // that was asked for
};

/// @throws ERR_PICKLE {file, offset, reason, global?}
[[noreturn]] inline void refuse_pickle(const std::string& file, uint64_t offset, const PickleFault& fault) {
  ErrorDetails details = {{"file", file}, {"offset", std::to_string(offset)}, {"reason", fault.reason}};
  if (!fault.global.empty()) details.emplace_back("global", fault.global);
  throw Error("ERR_PICKLE", str(file, ", byte ", offset, ": ", fault.message), fault.hint,
              std::move(details));
}

}  // namespace tongueforge::checkpoint

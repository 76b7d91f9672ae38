// Everything that a pickle may name, and what we make of it. Nothing that is named here is ever run: each row
// says which plain value stands for it. What is not on the list is refused.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "core/dtype.h"

namespace tongueforge::checkpoint {

enum class GlobalRole {
  ordered_dict,
  set,
  plain_object,          // its attributes as a dict
  size,                  // a tuple
  device,                // its text
  rebuild_tensor,        // of a storage with a dtype
  rebuild_typed_tensor,  // of a storage of bytes, the dtype beside it
  rebuild_parameter,     // its first argument
  rebuild_from_type,     // of a subclass: what its function makes of its arguments
  tensor_class,
  storage,  // the class of a storage
  dtype,
  left_out,  // taken and put aside
};

struct AllowedGlobal {
  std::string_view module, name;
  GlobalRole role;
  std::optional<DType> dtype = std::nullopt;
};

/// The row of a global, or nullptr.
const AllowedGlobal* find_global(std::string_view module, std::string_view name);

/// Why a well-known global is refused though it is harmless, in the words of a message; else empty.
std::string reason_of_refusal(std::string_view module, std::string_view name);

}  // namespace tongueforge::checkpoint

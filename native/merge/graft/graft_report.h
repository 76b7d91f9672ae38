// What a graft tells about itself.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/value.h"
#include "merge/graft/graft_kernel.h"

namespace tongueforge::merge {

/// The parts of a network that people scale and compare apart.
enum class ModuleKind : uint8_t { Attention, Mlp, Norm, Embedding, Head, Other };
inline constexpr int kNumModuleKinds = 6;

/// "attention", "mlp", "norm", "embedding", "head", "other".
const char* module_kind_name(ModuleKind kind);

/// The kind of a tensor by its checkpoint name: "model.layers.0.mlp.up_proj.weight" is an mlp.
ModuleKind module_kind_of(std::string_view tensor_name);

/// Sums over all tensors of a kind.
struct ModuleStats {
  uint64_t num_tensors = 0, num_elements = 0;
  GraftSums sums;
};

struct GraftReport {
  uint64_t tensors_changed = 0;  // at least one bit differs from the target
  uint64_t tensors_kept = 0;     // went through the arithmetic and kept every bit
  uint64_t tensors_copied = 0;   // never in it: integers, rotary tables
  uint64_t bytes_read = 0, bytes_written = 0;
  uint64_t bytes_resumed = 0;  // of bytes_written: by an earlier run
  uint64_t num_nonfinite = 0;
  std::array<ModuleStats, kNumModuleKinds> modules;

  /// A tensor that went through the arithmetic.
  void add(ModuleKind kind, uint64_t num_elements, const GraftSums& sums);
};

/// {tensors_changed, tensors_kept, tensors_copied, bytes_read, bytes_written, bytes_resumed,
///  nonfinite, modules: {attention: {tensors, elements, changed, nonfinite, delta_l2, target_l2}, ...}};
///  kinds without tensors are left out.
Value to_value(const GraftReport& report);

}  // namespace tongueforge::merge

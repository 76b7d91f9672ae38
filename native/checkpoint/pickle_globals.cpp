#include "checkpoint/pickle_globals.h"

#include <algorithm>
#include <iterator>

namespace tongueforge::checkpoint {
namespace {

using enum GlobalRole;

constexpr AllowedGlobal kAllowed[] = {
    {"collections", "OrderedDict", ordered_dict},
    {"builtins", "set", set},
    {"builtins", "frozenset", set},
    {"__builtin__", "set", set},  // as protocol 2 names them
    {"__builtin__", "frozenset", set},
    {"argparse", "Namespace", plain_object},
    {"torch", "Size", size},
    {"torch", "device", device},
    {"torch", "Tensor", tensor_class},
    {"torch.nn.parameter", "Parameter", tensor_class},
    {"torch._utils", "_rebuild_tensor", rebuild_tensor},
    {"torch._utils", "_rebuild_tensor_v2", rebuild_tensor},
    {"torch._utils", "_rebuild_tensor_v3", rebuild_typed_tensor},
    {"torch._utils", "_rebuild_parameter", rebuild_parameter},
    {"torch._utils", "_rebuild_parameter_with_state", rebuild_parameter},
    {"torch._tensor", "_rebuild_from_type_v2", rebuild_from_type},
    {"torch.storage", "UntypedStorage", storage},
    {"torch", "UntypedStorage", storage},
    {"torch", "BoolStorage", storage, DType::BOOL},
    {"torch", "ByteStorage", storage, DType::U8},
    {"torch", "CharStorage", storage, DType::I8},
    {"torch", "ShortStorage", storage, DType::I16},
    {"torch", "IntStorage", storage, DType::I32},
    {"torch", "LongStorage", storage, DType::I64},
    {"torch", "HalfStorage", storage, DType::F16},
    {"torch", "BFloat16Storage", storage, DType::BF16},
    {"torch", "FloatStorage", storage, DType::F32},
    {"torch", "DoubleStorage", storage, DType::F64},
    {"torch", "ComplexFloatStorage", storage, DType::C64},
    {"torch", "bool", dtype, DType::BOOL},
    {"torch", "uint8", dtype, DType::U8},
    {"torch", "int8", dtype, DType::I8},
    {"torch", "int16", dtype, DType::I16},
    {"torch", "uint16", dtype, DType::U16},
    {"torch", "int32", dtype, DType::I32},
    {"torch", "uint32", dtype, DType::U32},
    {"torch", "int64", dtype, DType::I64},
    {"torch", "uint64", dtype, DType::U64},
    {"torch", "float16", dtype, DType::F16},
    {"torch", "bfloat16", dtype, DType::BF16},
    {"torch", "float32", dtype, DType::F32},
    {"torch", "float64", dtype, DType::F64},
    {"torch", "complex64", dtype, DType::C64},
    {"torch", "float8_e4m3fn", dtype, DType::F8_E4M3},
    {"torch", "float8_e5m2", dtype, DType::F8_E5M2},
    {"torch", "float8_e4m3fnuz", dtype, DType::F8_E4M3FNUZ},
    {"torch", "float8_e5m2fnuz", dtype, DType::F8_E5M2FNUZ},
    {"torch", "float8_e8m0fnu", dtype, DType::F8_E8M0},
    // The state of numpy's generator in checkpoints of training: arrays and numbers of numpy are of no use to
    // a model.
    {"_codecs", "encode", left_out},
    {"numpy", "ndarray", left_out},
    {"numpy", "dtype", left_out},
    {"numpy.core.multiarray", "_reconstruct", left_out},
    {"numpy._core.multiarray", "_reconstruct", left_out},
    {"numpy.core.multiarray", "scalar", left_out},
    {"numpy._core.multiarray", "scalar", left_out},
    {"numpy._core.numeric", "_frombuffer", left_out},
};

struct Harmless {
  std::string_view module, name;
  const char* why;
};

constexpr Harmless kHarmless[] = {
    {"torch", "ComplexDoubleStorage", "safetensors has no complex numbers of 128 bits"},
    {"torch", "ComplexHalfStorage", "safetensors has no complex numbers of 32 bits"},
    {"torch", "complex128", "safetensors has no complex numbers of 128 bits"},
    {"torch", "QInt8Storage", "quantised tensors are not converted"},
    {"torch", "QUInt8Storage", "quantised tensors are not converted"},
    {"torch._utils", "_rebuild_qtensor", "quantised tensors are not converted"},
    {"torch._utils", "_rebuild_sparse_tensor", "sparse tensors are not converted"},
    {"torch._utils", "_rebuild_nested_tensor", "nested tensors are not converted"},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", "a tensor on the meta device has no values"},
};

}  // namespace

const AllowedGlobal* find_global(std::string_view module, std::string_view name) {
  const auto found = std::find_if(std::begin(kAllowed), std::end(kAllowed), [&](const AllowedGlobal& row) {
    return row.module == module && row.name == name;
  });
  return found == std::end(kAllowed) ? nullptr : &*found;
}

std::string reason_of_refusal(std::string_view module, std::string_view name) {
  for (const Harmless& row : kHarmless)
    if (row.module == module && row.name == name) return row.why;
  return {};
}

}  // namespace tongueforge::checkpoint

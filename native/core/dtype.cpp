#include "core/dtype.h"

namespace tongueforge {
namespace {

struct Row {
  DType dtype;
  const char* name;
  int bits;
  bool is_float;
};

constexpr std::array<Row, kNumDTypes> kRows = {{
    {DType::BOOL, "BOOL", 8, false},
    {DType::F4, "F4", 4, true},
    {DType::F6_E2M3, "F6_E2M3", 6, true},
    {DType::F6_E3M2, "F6_E3M2", 6, true},
    {DType::U8, "U8", 8, false},
    {DType::I8, "I8", 8, false},
    {DType::F8_E5M2, "F8_E5M2", 8, true},
    {DType::F8_E4M3, "F8_E4M3", 8, true},
    {DType::F8_E8M0, "F8_E8M0", 8, true},
    {DType::F8_E4M3FNUZ, "F8_E4M3FNUZ", 8, true},
    {DType::F8_E5M2FNUZ, "F8_E5M2FNUZ", 8, true},
    {DType::I16, "I16", 16, false},
    {DType::U16, "U16", 16, false},
    {DType::F16, "F16", 16, true},
    {DType::BF16, "BF16", 16, true},
    {DType::I32, "I32", 32, false},
    {DType::U32, "U32", 32, false},
    {DType::F32, "F32", 32, true},
    {DType::C64, "C64", 64, true},
    {DType::F64, "F64", 64, true},
    {DType::I64, "I64", 64, false},
    {DType::U64, "U64", 64, false},
}};

const Row& row(DType dtype) { return kRows[static_cast<size_t>(dtype)]; }

constexpr bool rows_follow_the_enum() {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<size_t>(kRows[i].dtype) != i) return false;
  }
  return true;
}
static_assert(rows_follow_the_enum());

}  // namespace

const char* dtype_name(DType dtype) { return row(dtype).name; }
int dtype_bits(DType dtype) { return row(dtype).bits; }
bool dtype_is_float(DType dtype) { return row(dtype).is_float; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const Row& r : kRows) {
    if (name == r.name) return r.dtype;
  }
  return std::nullopt;
}

const std::array<DType, kNumDTypes>& all_dtypes() {
  static constexpr auto kAll = [] {
    std::array<DType, kNumDTypes> all{};
    for (size_t i = 0; i < all.size(); ++i) all[i] = kRows[i].dtype;
    return all;
  }();
  return kAll;
}

}  // namespace tongueforge

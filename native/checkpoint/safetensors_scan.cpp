#include "checkpoint/safetensors_scan.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "checkpoint/strict_json.h"

namespace tongueforge::checkpoint {
namespace {

constexpr size_t kChunk = size_t{4} << 20;  // a multiple of every element's size

enum class Kind { Finite, Zero, Nan, Inf };

Kind kind_of(double value) {
  if (value == 0) return Kind::Zero;
  return std::isnan(value) ? Kind::Nan : std::isinf(value) ? Kind::Inf : Kind::Finite;
}

// The 8-bit floats, by the definitions of OCP (E5M2, E4M3, E8M0) and of their FNUZ variants.
Kind kind_of_e5m2(uint8_t bits) {
  const int magnitude = bits & 0x7f;
  if (magnitude == 0) return Kind::Zero;
  return magnitude > 0x7c ? Kind::Nan : magnitude == 0x7c ? Kind::Inf : Kind::Finite;
}
Kind kind_of_e4m3(uint8_t bits) {
  const int magnitude = bits & 0x7f;
  return magnitude == 0 ? Kind::Zero : magnitude == 0x7f ? Kind::Nan : Kind::Finite;
}
Kind kind_of_e8m0(uint8_t bits) { return bits == 0xff ? Kind::Nan : Kind::Finite; }
Kind kind_of_fnuz(uint8_t bits) { return bits == 0 ? Kind::Zero : bits == 0x80 ? Kind::Nan : Kind::Finite; }

template <class T, class Classify>
void count(const std::vector<char>& chunk, size_t num_bytes, ValueScan& row, Classify classify) {
  for (size_t at = 0; at < num_bytes; at += sizeof(T)) {
    T value;
    std::memcpy(&value, chunk.data() + at, sizeof(T));
    const Kind kind = classify(value);
    row.num_zero += kind == Kind::Zero;
    row.num_nan += kind == Kind::Nan;
    row.num_inf += kind == Kind::Inf;
  }
}

void count_chunk(DType dtype, const std::vector<char>& chunk, size_t num_bytes, ValueScan& row) {
  switch (dtype) {
    case DType::F8_E5M2: return count<uint8_t>(chunk, num_bytes, row, kind_of_e5m2);
    case DType::F8_E4M3: return count<uint8_t>(chunk, num_bytes, row, kind_of_e4m3);
    case DType::F8_E8M0: return count<uint8_t>(chunk, num_bytes, row, kind_of_e8m0);
    case DType::F8_E4M3FNUZ:
    case DType::F8_E5M2FNUZ: return count<uint8_t>(chunk, num_bytes, row, kind_of_fnuz);
    case DType::F16: return count<uint16_t>(chunk, num_bytes, row, [](uint16_t v) { return kind_of(f16_to_float(v)); });
    case DType::BF16: return count<uint16_t>(chunk, num_bytes, row, [](uint16_t v) { return kind_of(bf16_to_float(v)); });
    case DType::F32:
    case DType::C64: return count<float>(chunk, num_bytes, row, [](float v) { return kind_of(v); });
    case DType::F64: return count<double>(chunk, num_bytes, row, [](double v) { return kind_of(v); });
    default: return;  // F4 and F6 have neither NaN nor infinity
  }
}

void check_bools(const SafetensorsFile& file, const TensorInfo& tensor, const std::vector<char>& chunk, size_t num_bytes,
                 uint64_t offset) {
  for (size_t i = 0; i < num_bytes; ++i) {
    const auto byte = static_cast<unsigned char>(chunk[i]);
    if (byte <= 1) continue;
    refuse_file("ERR_SAFETENSORS", file.path(), file.data_begin() + tensor.begin + offset + i, "bool_value",
                str("expected 0 or 1 for a BOOL, received ", static_cast<int>(byte)), "Convert the file again.", tensor.name);
  }
}

}  // namespace

std::vector<ValueScan> scan(const SafetensorsFile& file, Job& job) {
  std::vector<ValueScan> rows;
  std::vector<char> chunk(kChunk);
  const uint64_t total = file.file_size() - file.data_begin();
  uint64_t done = 0;
  for (const TensorInfo& tensor : file.tensors()) {
    ValueScan row{tensor.name};
    for (uint64_t offset = 0; offset < tensor.num_bytes(); offset += kChunk) {
      job.check();
      const size_t num_bytes = std::min<uint64_t>(kChunk, tensor.num_bytes() - offset);
      file.read_range(tensor, offset, num_bytes, chunk.data());
      if (tensor.dtype == DType::BOOL) check_bools(file, tensor, chunk, num_bytes, offset);
      count_chunk(tensor.dtype, chunk, num_bytes, row);
      done += num_bytes;
      job.progress(Value::Map{{"done_bytes", done}, {"total_bytes", total}});
    }
    if (dtype_is_float(tensor.dtype)) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace tongueforge::checkpoint

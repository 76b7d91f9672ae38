#include "checkpoint/safetensors_scan.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>

#include "checkpoint/strict_json.h"

namespace tongueforge::checkpoint {
namespace {

// A multiple of every element's size, also of the three bytes that four F6 share.
constexpr size_t kChunk = size_t{3} << 20;

// ---- one element into its row ----

void add(ValueScan& row, double value) {
  row.num_nan += std::isnan(value);
  row.num_inf += std::isinf(value);
  row.num_zero += value == 0;
}

void add_complex(ValueScan& row, std::complex<float> value) {
  for (const float part : {value.real(), value.imag()}) {
    row.num_nan += std::isnan(part);
    row.num_inf += std::isinf(part);
  }
  row.num_zero += value == 0.0f;
}

// The 8-bit floats, by the definitions of OCP (E5M2, E4M3, E8M0) and of their FNUZ variants.
void add_e5m2(ValueScan& row, uint8_t bits) {
  const int magnitude = bits & 0x7f;
  row.num_nan += magnitude > 0x7c;
  row.num_inf += magnitude == 0x7c;
  row.num_zero += magnitude == 0;
}

void add_e4m3(ValueScan& row, uint8_t bits) {
  row.num_nan += (bits & 0x7f) == 0x7f;
  row.num_zero += (bits & 0x7f) == 0;
}

void add_e8m0(ValueScan& row, uint8_t bits) { row.num_nan += bits == 0xff; }  // powers of two: no zero

void add_fnuz(ValueScan& row, uint8_t bits) {
  row.num_nan += bits == 0x80;
  row.num_zero += bits == 0;
}

// Below a byte there is neither NaN nor infinity, only a sign on top.
void add_f4_pair(ValueScan& row, uint8_t bits) {
  row.num_zero += ((bits & 0x07) == 0) + ((bits & 0x70) == 0);
}

void add_f6_four(ValueScan& row, const char* bytes) {
  uint32_t bits = 0;
  std::memcpy(&bits, bytes, 3);
  for (int i = 0; i < 4; ++i) row.num_zero += ((bits >> (6 * i)) & 0x1f) == 0;
}

// ---- all elements of a chunk ----

template <class T, class Add>
void for_each(const std::vector<char>& chunk, size_t num_bytes, ValueScan& row, Add add_one) {
  for (size_t at = 0; at < num_bytes; at += sizeof(T)) {
    T value;
    std::memcpy(&value, chunk.data() + at, sizeof(T));
    add_one(row, value);
  }
}

template <class T>
void count_zeros(const std::vector<char>& chunk, size_t num_bytes, ValueScan& row) {
  for_each<T>(chunk, num_bytes, row, [](ValueScan& r, T value) { r.num_zero += value == 0; });
}

void count_integers(DType dtype, const std::vector<char>& chunk, size_t num_bytes, ValueScan& row) {
  switch (dtype_bits(dtype)) {
    case 8:
      return count_zeros<uint8_t>(chunk, num_bytes, row);
    case 16:
      return count_zeros<uint16_t>(chunk, num_bytes, row);
    case 32:
      return count_zeros<uint32_t>(chunk, num_bytes, row);
    default:
      return count_zeros<uint64_t>(chunk, num_bytes, row);
  }
}

void count(DType dtype, const std::vector<char>& chunk, size_t num_bytes, ValueScan& row) {
  switch (dtype) {
    case DType::F4:
      return for_each<uint8_t>(chunk, num_bytes, row, add_f4_pair);
    case DType::F6_E2M3:
    case DType::F6_E3M2:
      for (size_t at = 0; at < num_bytes; at += 3) add_f6_four(row, chunk.data() + at);
      return;
    case DType::F8_E5M2:
      return for_each<uint8_t>(chunk, num_bytes, row, add_e5m2);
    case DType::F8_E4M3:
      return for_each<uint8_t>(chunk, num_bytes, row, add_e4m3);
    case DType::F8_E8M0:
      return for_each<uint8_t>(chunk, num_bytes, row, add_e8m0);
    case DType::F8_E4M3FNUZ:
    case DType::F8_E5M2FNUZ:
      return for_each<uint8_t>(chunk, num_bytes, row, add_fnuz);
    case DType::F16:
      return for_each<uint16_t>(chunk, num_bytes, row,
                                [](ValueScan& r, uint16_t v) { add(r, f16_to_float(v)); });
    case DType::BF16:
      return for_each<uint16_t>(chunk, num_bytes, row,
                                [](ValueScan& r, uint16_t v) { add(r, bf16_to_float(v)); });
    case DType::F32:
      return for_each<float>(chunk, num_bytes, row, [](ValueScan& r, float v) { add(r, v); });
    case DType::F64:
      return for_each<double>(chunk, num_bytes, row, add);
    case DType::C64:
      return for_each<std::complex<float>>(chunk, num_bytes, row, add_complex);
    default:
      return count_integers(dtype, chunk, num_bytes, row);
  }
}

void check_bools(const SafetensorsFile& file, const TensorInfo& tensor, const std::vector<char>& chunk,
                 size_t num_bytes, uint64_t offset) {
  for (size_t i = 0; i < num_bytes; ++i) {
    const auto byte = static_cast<unsigned char>(chunk[i]);
    if (byte <= 1) continue;
    refuse_file("ERR_SAFETENSORS", file.path(), file.data_begin() + tensor.begin + offset + i, "bool_value",
                str("expected 0 or 1 for a BOOL, received ", static_cast<int>(byte)),
                "Convert the file again.", tensor.name);
  }
}

}  // namespace

std::vector<ValueScan> scan(const SafetensorsFile& file, Job& job) {
  std::vector<ValueScan> rows;
  const uint64_t total = file.file_size() - file.data_begin();
  std::vector<char> chunk(std::min<uint64_t>(kChunk, total));
  uint64_t done = 0;
  for (const TensorInfo& tensor : file.tensors()) {
    ValueScan row{tensor.name};
    for (uint64_t offset = 0; offset < tensor.num_bytes(); offset += kChunk) {
      job.check();
      const size_t num_bytes = std::min<uint64_t>(kChunk, tensor.num_bytes() - offset);
      file.read_range(tensor, offset, num_bytes, chunk.data());
      if (tensor.dtype == DType::BOOL) check_bools(file, tensor, chunk, num_bytes, offset);
      count(tensor.dtype, chunk, num_bytes, row);
      done += num_bytes;
      job.progress(Value::Map{{"done_bytes", done}, {"total_bytes", total}});
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace tongueforge::checkpoint

#include "merge/delta/delta_figures.h"

#include <atomic>
#include <cmath>

#include "core/parts.h"

namespace tongueforge::merge {
namespace {

DeltaSums measure(const DeltaTensor& stored, const MeasuredInput& input, const Job& job,
                  const std::function<void(uint64_t)>& measured) {
  DeltaSums sums;
  std::vector<float> decoded, base;
  const auto& [difference, read_base] = input;
  for_each_stretch(difference.read, 0, difference.num_elements(),
                   [&](uint64_t first, uint64_t count, const float* values) {
                     job.check();
                     decoded.resize(count), base.resize(count);
                     stored.read(first, count, decoded.data());
                     read_base(first, count, base.data());
                     for (uint64_t i = 0; i < count; ++i) {
                       const double d = values[i], b = base[i];
                       const double error = d - static_cast<double>(decoded[i]);
                       sums.add({d * d, error * error, b * b});
                     }
                     measured(count);
                   });
  return sums;
}

Value::Map sums_value(uint64_t num_elements, uint64_t num_bytes, const DeltaSums& sums) {
  return {{"elements", num_elements},
          {"bytes", num_bytes},
          {"delta_l2", std::sqrt(sums.delta_squared)},
          {"error_l2", std::sqrt(sums.error_squared)},
          {"relative_error", sums.relative_error()},
          {"base_l2", std::sqrt(sums.base_squared)}};
}

}  // namespace

void DeltaSums::add(const DeltaSums& other) {
  delta_squared += other.delta_squared;
  error_squared += other.error_squared;
  base_squared += other.base_squared;
}

double DeltaSums::relative_error() const {
  if (error_squared == 0) return 0;
  return std::sqrt(error_squared / delta_squared);
}

DeltaFigures measure_delta(const DeltaFile& file, const std::vector<MeasuredInput>& inputs,
                           size_t num_threads, const Job& job,
                           const std::function<void(uint64_t)>& measured) {
  DeltaFigures figures;
  figures.file_bytes = file.file_size();
  for (const DeltaEntry& entry : file.tensors())
    figures.tensors.push_back(
        {entry.name, entry.shape, entry.codec->name, entry.num_elements(), entry.num_bytes(), {}});
  std::atomic<size_t> next = 0;
  for_each_part(num_threads, num_threads, [&](size_t, size_t, size_t) {
    for (size_t i; (i = next++) < inputs.size();) {
      const DeltaEntry* entry = file.find(inputs[i].difference.name);
      const auto at = static_cast<size_t>(entry - file.tensors().data());
      figures.tensors[at].sums = measure(*file.open_tensor(*entry), inputs[i], job, measured);
    }
  });
  return figures;
}

Value to_value(const DeltaFigures& figures) {
  DeltaSums all;
  uint64_t num_elements = 0;
  Value::List rows;
  for (const auto& [name, shape, format, elements, bytes, sums] : figures.tensors) {
    Value::Map row{{"name", name}, {"shape", Value::List(shape.begin(), shape.end())}, {"format", format}};
    for (auto& item : sums_value(elements, bytes, sums)) row.push_back(std::move(item));
    rows.push_back(std::move(row));
    num_elements += elements;
    all.add(sums);
  }
  Value::Map map = sums_value(num_elements, figures.file_bytes, all);
  map.emplace_back("dense_bytes", num_elements * 4);
  map.emplace_back("ratio", static_cast<double>(num_elements * 4) / static_cast<double>(figures.file_bytes));
  map.emplace_back("tensors", std::move(rows));
  return map;
}

}  // namespace tongueforge::merge

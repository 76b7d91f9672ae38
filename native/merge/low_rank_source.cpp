#include "merge/low_rank_source.h"

#include "merge/graft/graft_kernel.h"

namespace tongueforge::merge {
namespace {

std::vector<double> read_doubles(const checkpoint::SafetensorsFile& file,
                                 const checkpoint::TensorInfo& tensor, double scale) {
  std::vector<char> bytes(tensor.num_bytes());
  file.read(tensor, bytes.data());
  std::vector<float> values(tensor.num_elements());
  to_floats(tensor.dtype, bytes.data(), values.data(), values.size());
  std::vector<double> scaled;
  scaled.reserve(values.size());
  for (const float value : values) scaled.push_back(scale * static_cast<double>(value));
  return scaled;
}

}  // namespace

LowRankFactors LowRankSource::read() const {
  LowRankFactors factors;
  factors.rank = static_cast<size_t>(a->shape[0]);
  factors.columns = static_cast<size_t>(a->shape[1]);
  factors.a = read_doubles(*file, *a, 1);
  factors.scaled_b = read_doubles(*file, *b, scale);
  return factors;
}

}  // namespace tongueforge::merge

// Delta files for tests: written tensor by tensor with the encoders, without a model around them.
#pragma once
#include <map>

#include "../../checkpoint/fixtures.h"
#include "kernels/gram.h"
#include "merge/delta/delta_file.h"

namespace tongueforge::testing {

struct Difference {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> values;

  merge::DeltaInput input() const {
    return {name, shape, [this](uint64_t first, uint64_t count, float* out) {
              REQUIRE(first + count <= values.size());
              std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(first), count, out);
            }};
  }
};

inline Difference random_difference(Seeded& random, const std::string& name, std::vector<int64_t> shape) {
  std::normal_distribution<float> normal(0.0f, 0.01f);
  std::vector<float> values(merge::count_elements(shape));
  for (float& value : values) value = normal(random.engine);
  return {name, std::move(shape), std::move(values)};
}

inline merge::DeltaSettings settings_of(const std::string& codec) {
  merge::DeltaSettings settings;
  settings.codec = codec;
  settings.algebra = {kernels::add_gram, kernels::symmetric_eigen, kernels::project};
  return settings;
}

/// One tensor as the codec has it, its parts produced in as many pieces.
inline std::vector<MadeTensor> encoded(const Difference& tensor, merge::DeltaSettings settings,
                                       uint64_t pieces = 1) {
  const SilentJob job;
  const merge::Workspace workspace(job);
  const merge::DeltaCodec& codec = merge::delta_codec(settings.codec);
  if (codec.settle) codec.settle(tensor.input(), settings, workspace);
  const auto encoder = codec.encode(tensor.input(), settings);
  encoder->prepare(workspace);
  std::vector<MadeTensor> made;
  for (size_t part = 0; part < encoder->parts().size(); ++part) {
    const auto& [suffix, dtype, shape, granule] = encoder->parts()[part];
    std::string bytes(encoder->parts()[part].num_bytes(), '\0');
    const uint64_t granules = bytes.size() / granule;
    for (uint64_t piece = 0; piece < pieces; ++piece) {
      const uint64_t begin = granules * piece / pieces * granule,
                     end = granules * (piece + 1) / pieces * granule;
      if (begin < end) encoder->produce(part, begin, end, bytes.data() + begin, workspace);
    }
    made.push_back({{suffix.empty() ? tensor.name : tensor.name + ":" + suffix, dtype, shape}, bytes});
  }
  return made;
}

inline checkpoint::Metadata delta_metadata(const merge::DeltaSettings& settings) {
  return {{"format", merge::kDeltaFormat},
          {"version", merge::kUnsummedVersion},
          {"group", std::to_string(settings.group)}};
}

/// A delta file with these differences.
inline merge::DeltaFile make_delta(const std::string& path, const std::vector<Difference>& tensors,
                                   const merge::DeltaSettings& settings, uint64_t pieces = 1) {
  std::vector<MadeTensor> made;
  for (const Difference& tensor : tensors)
    for (MadeTensor& part : encoded(tensor, settings, pieces)) made.push_back(std::move(part));
  spill(path, make_file_bytes(made, delta_metadata(settings)));
  return merge::DeltaFile::open(path);
}

inline std::vector<float> all_of(const merge::DeltaFile& file, const std::string& name) {
  std::vector<float> values(file.find(name)->num_elements());
  file.read(name, 0, values.size(), values.data());
  return values;
}

inline double norm(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

inline double distance(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += (static_cast<double>(a[i]) - static_cast<double>(b[i])) *
           (static_cast<double>(a[i]) - static_cast<double>(b[i]));
  return std::sqrt(sum);
}

}  // namespace tongueforge::testing

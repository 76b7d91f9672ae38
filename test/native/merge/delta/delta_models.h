// Tiny models by their values, and pairs of them with a delta between.
#pragma once
#include <map>

#include "delta_fixtures.h"
#include "merge/delta/delta_extract.h"
#include "merge/graft/graft_kernel.h"

namespace tongueforge::testing {

inline constexpr const char* kEmbedding = "model.embed_tokens.weight";
inline constexpr const char* kHead = "lm_head.weight";
inline constexpr const char* kQuery = "model.layers.0.self_attn.q_proj.weight";
inline constexpr const char* kNorm = "model.layers.0.input_layernorm.weight";

inline const std::vector<std::pair<std::string, std::vector<int64_t>>> kLayout = {
    {kEmbedding, {70, 24}},
    {kQuery, {24, 24}},
    {"model.layers.0.mlp.up_proj.weight", {80, 24}},
    {"model.layers.0.mlp.down_proj.weight", {24, 80}},
    {kNorm, {24}},
    {kHead, {70, 24}}};

/// Values of a model by tensor, and as a file has them.
using Values = std::map<std::string, std::vector<float>>;

inline Values random_values(Seeded& random, double size) {
  std::normal_distribution<float> normal(0.0f, static_cast<float>(size));
  Values values;
  for (const auto& [name, shape] : kLayout) {
    values[name].resize(merge::count_elements(shape));
    for (float& value : values[name]) value = normal(random.engine);
  }
  return values;
}

inline Values sum(Values a, const Values& b) {
  for (auto& [name, values] : a)
    for (size_t i = 0; i < values.size(); ++i) values[i] += b.at(name)[i];
  return a;
}

inline MadeTensor stored(const std::string& name, const std::vector<int64_t>& shape, DType dtype,
                         const std::vector<float>& values) {
  std::string bytes(values.size() * static_cast<size_t>(dtype_bits(dtype)) / 8, '\0');
  merge::convert_floats(DType::F32, values.data(), dtype, bytes.data(), values.size());
  return {{name, dtype, shape}, bytes};
}

inline std::vector<MadeTensor> model_of(const Values& values, DType dtype) {
  std::vector<MadeTensor> tensors;
  for (const auto& [name, shape] : kLayout) tensors.push_back(stored(name, shape, dtype, values.at(name)));
  return tensors;
}

inline void drop(std::vector<MadeTensor>& tensors, const std::string& name) {
  std::erase_if(tensors, [&](const MadeTensor& tensor) { return tensor.spec.name == name; });
}

inline MadeTensor& named(std::vector<MadeTensor>& tensors, const std::string& name) {
  return *std::find_if(tensors.begin(), tensors.end(),
                       [&](const MadeTensor& tensor) { return tensor.spec.name == name; });
}

/// A base and a chat model on disk.
struct Pair {
  TempFolder folder;

  Pair(const std::vector<MadeTensor>& base, const std::vector<MadeTensor>& chat,
       uint64_t shard = UINT64_MAX) {
    make_model(folder / "base", base, shard);
    make_model(folder / "chat", chat);
  }

  merge::DeltaInputs inputs(const merge::DeltaSettings& settings) const {
    return {{folder / "base", false},
            {folder / "chat", false},
            settings,
            {{"tool_version", "test"}},
            nullptr,
            {},
            {}};
  }

  merge::DeltaFigures extract(const merge::DeltaInputs& given, const std::string& out = "delta") const {
    std::filesystem::create_directories(folder / out);
    SilentJob job;
    return merge::DeltaExtraction(given, job).run(folder / out, job, 2);
  }

  merge::DeltaFile file(const std::string& out = "delta") const {
    return merge::DeltaFile::open(folder / (out + "/" + merge::kDeltaFileName));
  }

  std::string problems(const merge::DeltaInputs& given) const {
    SilentJob job;
    std::string all;
    const merge::DeltaExtraction extraction(given, job);
    for (const Error& error : extraction.problems())
      all += error.code() + ": " + detail(error, "tensors") + "\n";
    return all;
  }
};

/// What the models say themselves, rounded as their files are.
inline std::vector<float> floats_of(const std::string& folder, const std::string& name) {
  const auto model = checkpoint::ModelWeights::open(folder);
  const auto& weight = model.at(name);
  std::string bytes(weight.num_bytes(), '\0');
  weight.read(bytes.data());
  std::vector<float> values(weight.info->num_elements());
  merge::to_floats(weight.dtype(), bytes.data(), values.data(), values.size());
  return values;
}

}  // namespace tongueforge::testing

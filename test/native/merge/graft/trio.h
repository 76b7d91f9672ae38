// Three small models on disk, made by chance, and what a graft makes of them.
#pragma once
#include <algorithm>
#include <bit>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "../../checkpoint/fixtures.h"
#include "merge/graft/graft.h"

namespace tongueforge::testing {

constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kHead = "lm_head.weight";

struct Row {
  std::string name;
  std::vector<int64_t> shape;
};

inline const std::vector<Row> kLayout = {{kEmbedding, {20, 8}},
                                         {"model.layers.0.self_attn.q_proj.weight", {8, 8}},
                                         {"model.layers.0.mlp.up_proj.weight", {24, 8}},
                                         {"model.layers.0.input_layernorm.weight", {8}},
                                         {kHead, {20, 8}}};

inline std::string random_values(Seeded& random, DType dtype, size_t count) {
  std::normal_distribution<float> normal(0.0f, 0.05f);
  std::string bytes;
  for (size_t i = 0; i < count; ++i) {
    const float value = normal(random.engine);
    const uint32_t bits = dtype == DType::F32    ? std::bit_cast<uint32_t>(value)
                          : dtype == DType::BF16 ? float_to_bf16(value)
                                                 : float_to_f16(value);
    bytes.append(reinterpret_cast<const char*>(&bits), static_cast<size_t>(dtype_bits(dtype) / 8));
  }
  return bytes;
}

inline std::vector<MadeTensor> random_model(Seeded& random, DType dtype,
                                            const std::vector<Row>& layout = kLayout) {
  std::vector<MadeTensor> tensors;
  for (const Row& row : layout) {
    size_t count = 1;
    for (const int64_t dimension : row.shape) count *= static_cast<size_t>(dimension);
    tensors.push_back({{row.name, dtype, row.shape}, random_values(random, dtype, count)});
  }
  return tensors;
}

inline std::vector<MadeTensor> without(std::vector<MadeTensor> tensors, const std::string& name) {
  std::erase_if(tensors, [&](const MadeTensor& tensor) { return tensor.spec.name == name; });
  return tensors;
}

inline MadeTensor& named(std::vector<MadeTensor>& tensors, const std::string& name) {
  return *std::find_if(tensors.begin(), tensors.end(),
                       [&](const MadeTensor& tensor) { return tensor.spec.name == name; });
}

/// What the configs say of the three heads.
struct Tied {
  bool target = false, base = false, chat = false;
};

/// Three models on disk.
struct Trio {
  TempFolder folder;

  Trio(const std::vector<MadeTensor>& t, const std::vector<MadeTensor>& b, const std::vector<MadeTensor>& c,
       uint64_t target_shard = UINT64_MAX, uint64_t base_shard = UINT64_MAX) {
    make_model(folder / "target", t, target_shard);
    make_model(folder / "base", b, base_shard);
    make_model(folder / "chat", c);
  }

  merge::GraftInputs inputs(float scale, Tied tied = {}) const {
    merge::GraftInputs inputs{{folder / "target", tied.target}, {vector(scale, tied)}, nullptr, nullptr, {}};
    return inputs;
  }

  merge::ChatVector vector(float scale, Tied tied = {}) const {
    merge::ChatVector vector{
        {folder / "base", tied.base}, {folder / "chat", tied.chat}, {}, nullptr, nullptr};
    const checkpoint::ModelWeights target = checkpoint::ModelWeights::open(folder / "target");
    for (const auto& weight : target.tensors()) vector.scales.emplace(weight.name(), scale);
    vector.scales.emplace(kHead, scale);
    return vector;
  }

  merge::Graft plan(Tied tied = {}) const { return merge::Graft(inputs(1.0f, tied)); }

  merge::GraftReport run(const merge::GraftInputs& inputs, const std::string& out = "out") const {
    SilentJob job;
    std::filesystem::create_directories(folder / out);
    return merge::Graft(inputs).run(folder / out, job);
  }
  merge::GraftReport run(float scale, Tied tied = {}, const std::string& out = "out") const {
    return run(inputs(scale, tied), out);
  }

  checkpoint::ModelWeights result(const std::string& out = "out") const {
    return checkpoint::ModelWeights::open(folder / out);
  }

  std::string bytes(const std::string& name, const std::string& out = "out") const {
    const checkpoint::ModelWeights model = result(out);
    std::string data(model.at(name).num_bytes(), '\0');
    model.at(name).read(data.data());
    return data;
  }
};

/// Codes of the problems, with the tensors they name.
inline std::string problems(const merge::Graft& plan) {
  std::string all;
  for (const Error& error : plan.problems()) all += error.code() + ": " + detail(error, "tensors") + "\n";
  return all;
}

}  // namespace tongueforge::testing

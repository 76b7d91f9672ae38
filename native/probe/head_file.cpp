#include "probe/head_file.h"

#include <algorithm>
#include <span>
#include <vector>

#include "checkpoint/safetensors_writer.h"
#include "kernels/aten.h"

namespace tongueforge::probe {
namespace {

std::span<const double> span_of(const at::Tensor& dense) {
  return {dense.const_data_ptr<double>(), static_cast<size_t>(dense.numel())};
}

}  // namespace

void write_head(const std::string& path, const Head& head) {
  const auto& [all, scores_L, weight_CD, bias_C] = head.parameters;
  const int64_t layers = scores_L.numel(), classes = bias_C.numel(), width = weight_CD.size(1);
  checkpoint::SafetensorsWriter writer(path,
                                       checkpoint::plan_file({{"weight", DType::F32, {classes, width}},
                                                              {"bias", DType::F32, {classes}},
                                                              {"layer_weights", DType::F32, {layers}},
                                                              {"mean", DType::F32, {layers, width}},
                                                              {"deviation", DType::F32, {layers, width}}},
                                                             {}));
  const auto write = [&](const char* name, std::span<const double> values, auto made) {
    std::vector<float> rounded(values.size());
    std::transform(values.begin(), values.end(), rounded.begin(),
                   [&](double value) { return static_cast<float>(made(value)); });
    writer.write(name, rounded.data(), rounded.size() * sizeof(float));
  };
  const auto same = [](double value) { return value; };
  write("weight", span_of(weight_CD), same);
  write("bias", span_of(bias_C), same);
  write("layer_weights", head.layer_weights(), same);
  write("mean", head.view().mean, same);
  write("deviation", head.view().inverse, [](double value) { return 1 / value; });
  writer.finish();
}

}  // namespace tongueforge::probe

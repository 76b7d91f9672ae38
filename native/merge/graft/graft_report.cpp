#include "merge/graft/graft_report.h"

#include <cctype>
#include <cmath>

namespace tongueforge::merge {
namespace {

struct Rule {
  ModuleKind kind;
  const char* part;  // of the name in lower case
};

// The first row that fits decides: "self_attn.q_norm" is a norm, "attention.output.LayerNorm" too.
constexpr Rule kRules[] = {
    {ModuleKind::Head, "lm_head"},        {ModuleKind::Head, "score."},
    {ModuleKind::Head, "classifier"},     {ModuleKind::Head, "final_proj."},
    {ModuleKind::Norm, "norm"},           {ModuleKind::Norm, "ln_"},
    {ModuleKind::Embedding, "embed"},     {ModuleKind::Attention, "attn"},
    {ModuleKind::Attention, "attention"}, {ModuleKind::Mlp, "mlp"},
    {ModuleKind::Mlp, "feed_forward"},    {ModuleKind::Mlp, "intermediate."},
    {ModuleKind::Mlp, "output.dense"},    {ModuleKind::Mlp, ".fc1."},
    {ModuleKind::Mlp, ".fc2."},
};

Value::Map module_value(const ModuleStats& stats) {
  return {{"tensors", stats.num_tensors},
          {"elements", stats.num_elements},
          {"changed", stats.sums.num_changed},
          {"nonfinite", stats.sums.num_nonfinite},
          {"delta_l2", std::sqrt(stats.sums.delta_squared)},
          {"target_l2", std::sqrt(stats.sums.target_squared)}};
}

}  // namespace

const char* module_kind_name(ModuleKind kind) {
  constexpr const char* kNames[kNumModuleKinds] = {"attention", "mlp", "norm", "embedding", "head", "other"};
  return kNames[static_cast<size_t>(kind)];
}

ModuleKind module_kind_of(std::string_view tensor_name) {
  std::string name(tensor_name);
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const Rule& rule : kRules) {
    if (name.find(rule.part) != std::string::npos) return rule.kind;
  }
  return ModuleKind::Other;
}

void GraftReport::add(ModuleKind kind, uint64_t num_elements, const GraftSums& sums) {
  ModuleStats& stats = modules[static_cast<size_t>(kind)];
  stats.num_tensors += 1;
  stats.num_elements += num_elements;
  stats.sums.delta_squared += sums.delta_squared;
  stats.sums.target_squared += sums.target_squared;
  stats.sums.num_nonfinite += sums.num_nonfinite;
  stats.sums.num_changed += sums.num_changed;
  num_nonfinite += sums.num_nonfinite;
  (sums.num_changed > 0 ? tensors_changed : tensors_kept) += 1;
}

Value to_value(const GraftReport& report) {
  Value::Map modules;
  for (int kind = 0; kind < kNumModuleKinds; ++kind) {
    const ModuleStats& stats = report.modules[static_cast<size_t>(kind)];
    if (stats.num_tensors == 0) continue;
    modules.emplace_back(module_kind_name(static_cast<ModuleKind>(kind)), module_value(stats));
  }
  return Value::Map{{"tensors_changed", report.tensors_changed}, {"tensors_kept", report.tensors_kept},
                    {"tensors_copied", report.tensors_copied},   {"bytes_read", report.bytes_read},
                    {"bytes_written", report.bytes_written},     {"bytes_resumed", report.bytes_resumed},
                    {"nonfinite", report.num_nonfinite},         {"modules", std::move(modules)}};
}

}  // namespace tongueforge::merge

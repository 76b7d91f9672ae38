// The merge methods by name: one row each. A method of the task-arithmetic family is a rule in its row.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "merge/methods/arcee_fusion.h"
#include "merge/methods/karcher.h"
#include "merge/methods/linear.h"
#include "merge/methods/method.h"
#include "merge/methods/model_stock.h"
#include "merge/methods/multislerp.h"
#include "merge/methods/nearswap.h"
#include "merge/methods/nuslerp.h"
#include "merge/methods/passthrough.h"
#include "merge/methods/ram.h"
#include "merge/methods/sce.h"
#include "merge/methods/slerp.h"
#include "merge/methods/task_vectors.h"

namespace tongueforge::merge {
namespace {

constexpr int kAny = Method::kAny;
constexpr TaskVectorRule kTaskArithmetic{};
constexpr TaskVectorRule kTies{Sparsifier::MAGNITUDE, true, true};
constexpr TaskVectorRule kDareLinear{Sparsifier::RANDOM};
constexpr TaskVectorRule kDareTies{Sparsifier::RANDOM, true};
constexpr TaskVectorRule kBreadcrumbs{Sparsifier::OUTLIERS};
constexpr TaskVectorRule kBreadcrumbsTies{Sparsifier::OUTLIERS, true};
constexpr TaskVectorRule kDellaLinear{Sparsifier::RANKED};
constexpr TaskVectorRule kDella{Sparsifier::RANKED, true, true};

// A mask for each input; of one input at a time magnitudes (4 bytes), draws (4), probabilities (4), and what
// DELLA ranks them by.
constexpr Scratch kSelecting{4, 1}, kCuttingOff{5, 1}, kDrawing{8, 1}, kRanking{16, 1};

const std::vector<Method> kMethods = {
    // name, function, base, inputs from and to, elementwise, draws, scratch
    {"linear", merge_linear, BaseRule::NONE, 1, kAny, true, false},
    {"slerp", merge_slerp, BaseRule::REQUIRED, 1, 1, false, false},
    {"nuslerp", merge_nuslerp, BaseRule::OPTIONAL, 2, 2, false, false},
    {"multislerp", merge_multislerp, BaseRule::OPTIONAL, 2, kAny, false, false},
    {"karcher", merge_karcher, BaseRule::NONE, 2, kAny, false, false},
    {"task_arithmetic", task_vectors<kTaskArithmetic>, BaseRule::REQUIRED, 1, kAny, true, false},
    {"ties", task_vectors<kTies>, BaseRule::REQUIRED, 1, kAny, false, false, kSelecting},
    {"dare_linear", task_vectors<kDareLinear>, BaseRule::REQUIRED, 1, kAny, false, true, kDrawing},
    {"dare_ties", task_vectors<kDareTies>, BaseRule::REQUIRED, 1, kAny, false, true, kDrawing},
    {"breadcrumbs", task_vectors<kBreadcrumbs>, BaseRule::REQUIRED, 1, kAny, false, false, kCuttingOff},
    {"breadcrumbs_ties", task_vectors<kBreadcrumbsTies>, BaseRule::REQUIRED, 1, kAny, false, false,
     kCuttingOff},
    {"della_linear", task_vectors<kDellaLinear>, BaseRule::REQUIRED, 1, kAny, false, true, kRanking},
    {"della", task_vectors<kDella>, BaseRule::REQUIRED, 1, kAny, false, true, kRanking},
    {"sce", merge_sce, BaseRule::REQUIRED, 1, kAny, false, false, {9, 0}},
    {"model_stock", merge_model_stock, BaseRule::REQUIRED, 2, kAny, false, false},
    {"nearswap", merge_nearswap, BaseRule::REQUIRED, 1, 1, true, false},
    {"arcee_fusion", merge_arcee_fusion, BaseRule::REQUIRED, 1, 1, false, false, {4, 0}},
    {"passthrough", merge_passthrough, BaseRule::NONE, 1, 1, true, false},
    {"ram", merge_ram, BaseRule::REQUIRED, 1, kAny, true, false},
    {"ramplus_tl", merge_ramplus_tl, BaseRule::REQUIRED, 1, kAny, false, false},
};

}  // namespace

void Parameters::set(std::string_view name, double value) {
  for (auto& [known, old] : entries_)
    if (known == name) return void(old = value);
  entries_.emplace_back(name, value);
}

double Parameters::get(std::string_view name, double fallback) const {
  for (const auto& [known, value] : entries_)
    if (known == name) return value;
  return fallback;
}

const std::vector<Method>& methods() { return kMethods; }

const Method& method_named(std::string_view name) {
  for (const Method& method : kMethods)
    if (method.name == name) return method;
  std::string known;
  for (const Method& method : kMethods) known += str(known.empty() ? "" : ", ", method.name);
  throw Error("ERR_CONFIG", str("Expected a merge method, received ", name), "one of " + known);
}

uint64_t draws_needed(const Method& method, const std::vector<MethodInput>& inputs, size_t size) {
  if (!method.draws) return 0;
  const auto drawing = std::count_if(inputs.begin(), inputs.end(), [](const MethodInput& input) {
    return input.parameters.get("density", 1) < 1;
  });
  return static_cast<uint64_t>(drawing) * size;
}

}  // namespace tongueforge::merge

#include "models/parameter.h"

namespace tongueforge::models {

void append_linear(std::vector<Parameter>& all, const std::string& name, nn::Linear& linear, int64_t out,
                   int64_t in, bool bias, ParameterKind kind) {
  if (linear.factors) {
    const int64_t rank = linear.factors->rank;
    all.push_back({name + ".in.weight", &linear.factors->in_RI, {rank, in}, ParameterKind::matrix});
    all.push_back({name + ".out.weight", &linear.factors->out_OR, {out, rank}, kind});
  } else {
    all.push_back({name + ".weight", &linear.weight, {out, in}, kind, &linear});
  }
  if (bias) all.push_back({name + ".bias", &linear.bias, {out}, ParameterKind::bias});
}

void append_norm(std::vector<Parameter>& all, const std::string& name, nn::LayerNorm& norm, int64_t size) {
  all.push_back({name + ".weight", &norm.weight, {size}, ParameterKind::norm});
  all.push_back({name + ".bias", &norm.bias, {size}, ParameterKind::bias});
}

}  // namespace tongueforge::models

#include "merge/methods/task_vectors.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "merge/methods/rounding.h"

namespace tongueforge::merge {
namespace {

constexpr size_t kBlock = 512;  // elements at a time, in the first-level cache

/// What the loops need of one input.
struct Vector {
  const float* values;
  double weight;
  Mask mask;
};

struct Sum {
  std::vector<Vector> vectors;
  bool elect_signs, normalize;
  double lambda;
};

/// A threshold under which a sum of weights is no divisor.
constexpr double kNoWeight = 1e-8;

// ---- the better numerics: all in double ----

struct Block {
  double term[kBlock];      // w m of one input
  double sum[kBlock];       // of all inputs
  double majority[kBlock];  // sum of w m before the election
  double weights[kBlock];   // of the inputs that agree
};

/// term = w * scale * (x - b) where the mask keeps it, else 0.
void fill_terms(const Vector& vector, const float* base, size_t at, size_t count, double* term) {
  const float* values = vector.values + at;
  const double factor = vector.weight * vector.mask.scale;
  for (size_t i = 0; i < count; ++i)
    term[i] = factor * (static_cast<double>(values[i]) - static_cast<double>(base[at + i]));
  if (const uint8_t* keep = vector.mask.at(at))
    for (size_t i = 0; i < count; ++i) term[i] *= keep[i];
}

void add_terms(const Sum& sum, const float* base, size_t at, size_t count, Block& block) {
  std::fill_n(block.sum, count, 0.0);
  for (const Vector& vector : sum.vectors) {
    fill_terms(vector, base, at, count, block.term);
    for (size_t i = 0; i < count; ++i) block.sum[i] += block.term[i];
  }
}

/// All bits set where a term is not 0 and has the sign of the majority, which is never -0.0; else none. With
/// the bits of integers, since half of all branches would be guessed wrong.
uint64_t agreement(double term, double majority) {
  const uint64_t bits = std::bit_cast<uint64_t>(term), magnitude = bits << 1;
  const uint64_t differs = (bits ^ std::bit_cast<uint64_t>(majority)) >> 63;
  const uint64_t nonzero = (magnitude | (0 - magnitude)) >> 63;
  return 0 - (nonzero & ~differs);
}

double masked(double value, uint64_t mask) {
  return std::bit_cast<double>(std::bit_cast<uint64_t>(value) & mask);
}

/// The sums again, of those terms that have the majority's sign, and the weights of these.
void add_agreeing_terms(const Sum& sum, const float* base, size_t at, size_t count, Block& block) {
  std::copy_n(block.sum, count, block.majority);
  std::fill_n(block.sum, count, 0.0);
  std::fill_n(block.weights, count, 0.0);
  for (const Vector& vector : sum.vectors) {
    fill_terms(vector, base, at, count, block.term);
    for (size_t i = 0; i < count; ++i) {
      const uint64_t agrees = agreement(block.term[i], block.majority[i]);
      block.sum[i] += masked(block.term[i], agrees);
      block.weights[i] += masked(vector.weight, agrees);
    }
  }
}

double total_weight(const Sum& sum) {
  double total = 0;
  for (const Vector& vector : sum.vectors) total += vector.weight;
  return std::fabs(total) < kNoWeight ? 1 : total;
}

void merge_in_double(const Sum& sum, const MethodTensor& tensor, float* out) {
  const double all_weights = total_weight(sum);
  const float* base = tensor.base;
  Block block;
  for (size_t at = 0; at < tensor.size; at += kBlock) {
    tensor.check();
    const size_t count = std::min(kBlock, tensor.size - at);
    add_terms(sum, base, at, count, block);
    if (sum.elect_signs) {
      add_agreeing_terms(sum, base, at, count, block);
    } else {
      std::fill_n(block.weights, count, all_weights);
    }
    if (sum.normalize)
      for (size_t i = 0; i < count; ++i) block.sum[i] /= block.weights[i] == 0 ? 1 : block.weights[i];
    for (size_t i = 0; i < count; ++i) {
      const float origin = base[at + i];  // kept as it is where nothing is added: -0.0 + 0.0 is 0.0
      const double added = sum.lambda * block.sum[i];
      out[at + i] = added == 0 ? origin : static_cast<float>(origin + added);
    }
  }
}

// ---- compat: torch's steps, each rounded to the working dtype ----

template <class Round>
float compat_delta(const Vector& vector, const float* base, size_t i, Round round) {
  float delta = round(vector.values[i] - base[i]);
  if (!vector.mask.keep.empty()) {
    delta *= vector.mask.keep[i];
    if (vector.mask.scale != 1) delta = round(delta * static_cast<float>(vector.mask.scale));
  }
  return delta;
}

/// Sums of w d in float32, rounded at the end, as torch sums over a dimension.
template <class Round>
struct CompatSums {
  const Sum& sum;
  const float* base;
  Round round;
  std::vector<float> weights;  // rounded

  float term(size_t input, size_t i) const {
    return round(compat_delta(sum.vectors[input], base, i, round) * weights[input]);
  }
  float all(size_t i) const {
    float total = 0;
    for (size_t input = 0; input < weights.size(); ++input) total += term(input, i);
    return round(total);
  }
  /// Of the terms with the sign of `majority`; `agreeing` is the sum of their weights.
  float elected(size_t i, float majority, float& agreeing) const {
    float total = 0, weight = 0;
    for (size_t input = 0; input < weights.size(); ++input) {
      const float value = term(input, i);
      const bool agrees = majority >= 0 ? value > 0 : value < 0;
      total += agrees ? value : 0.0f;
      weight += agrees ? weights[input] : 0.0f;
    }
    agreeing = round(weight);
    return round(total);
  }
};

template <class Round>
void merge_in_steps(const Sum& sum, const MethodTensor& tensor, float* out, Round round) {
  const float* base = tensor.base;
  CompatSums<Round> sums{sum, base, round, {}};
  float all_weights = 0;
  for (const Vector& vector : sum.vectors) {
    sums.weights.push_back(round(static_cast<float>(vector.weight)));
    all_weights += sums.weights.back();
  }
  all_weights = std::fabs(round(all_weights)) < kNoWeight ? 1 : round(all_weights);
  const auto lambda = static_cast<float>(sum.lambda);
  for (size_t i = 0; i < tensor.size; ++i) {
    if (i % kCheckEvery == 0) tensor.check();
    float total = sums.all(i), divisor = all_weights;
    if (sum.elect_signs) total = sums.elected(i, total, divisor);
    if (sum.normalize) total = round(total / (divisor == 0 ? 1 : divisor));
    if (sum.lambda != 1) total = round(total * lambda);
    out[i] = round(base[i] + total);
  }
}

}  // namespace

void merge_task_vectors(const MethodTensor& tensor, TaskVectorRule rule, float* out) {
  Sum sum{{},
          rule.elect_signs,
          tensor.parameters.on("normalize", rule.normalize),
          tensor.parameters.get("lambda", 1)};
  for (size_t input = 0; input < tensor.inputs.size(); ++input) {
    const MethodInput& from = tensor.inputs[input];
    sum.vectors.push_back(
        {from.values, from.parameters.get("weight", 1), sparsify(rule.sparsifier, tensor, input)});
  }
  if (!tensor.compat && sum.lambda == 0) {
    std::copy_n(tensor.base, tensor.size, out);  // also where a delta is infinite
  } else if (!tensor.compat) {
    merge_in_double(sum, tensor, out);
  } else {
    for_rounding(*tensor.compat, [&](auto round) { merge_in_steps(sum, tensor, out, round); });
  }
}

}  // namespace tongueforge::merge

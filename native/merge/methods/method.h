// What a merge method is: one function that makes a tensor of the result out of the same tensor of all
// models. To add one: docs/add_a_merge_method.md.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/dtype.h"
#include "merge/methods/draws.h"

namespace tongueforge::merge {

/// Names and values, a handful: {"weight", 0.5}. Switches are 0 or 1.
class Parameters {
 public:
  Parameters() = default;
  Parameters(std::initializer_list<std::pair<std::string, double>> entries) : entries_(entries) {}

  /// A name that is there already gets the new value.
  void set(std::string_view name, double value);
  double get(std::string_view name, double fallback) const;
  bool on(std::string_view name, bool fallback) const { return get(name, fallback ? 1 : 0) != 0; }

 private:
  std::vector<std::pair<std::string, double>> entries_;
};

/// The tensor as one model has it.
struct MethodInput {
  const float* values;    // converted exactly; with `compat`, cast to the working dtype before
  Parameters parameters;  // those that each model has of its own: weight, density, ...
};

/// One tensor of all models, row-major; for an elementwise method it may be a stretch of a tensor.
struct MethodTensor {
  std::string name;
  std::vector<int64_t> shape;  // of the whole tensor
  size_t size = 0;             // elements behind each pointer
  const float* base = nullptr;
  std::vector<MethodInput> inputs;  // without the base, in the order of the config
  Parameters parameters;            // those of the tensor as a whole: lambda, normalize, t, ...
  /// The working dtype of `compat: mergekit` (F32, BF16 or F16): every step rounds to it, in mergekit's
  /// order. None: the better numerics, double or float32 inside; the caller rounds the result once.
  std::optional<DType> compat;
  Draws* draws = nullptr;  // for methods that draw
  /// Throws where the job has been cancelled. A method that takes tensors as a whole asks before each pass
  /// over one, since they may have 10^9 elements.
  std::function<void()> check = [] {};
};

/// Elements between two looks at the job, in a pass that takes them one by one.
inline constexpr size_t kCheckEvery = 4096;

/// What a method takes as the point that deltas are counted from.
enum class BaseRule : uint8_t {
  NONE,      // there is none: a base model that is merged is an input like the others
  OPTIONAL,  // with a base, deltas are merged; without, the models themselves
  REQUIRED
};

/// What a method keeps of a tensor beside the values that it is given and gives: masks, magnitudes, draws.
struct Scratch {
  int bytes = 0;            // an element
  int bytes_per_input = 0;  // an element of each input besides the base
};

/// A row of the registry.
struct Method {
  static constexpr int kAny = std::numeric_limits<int>::max();

  const char* name;  // as in a config
  void (*merge)(const MethodTensor&, float* out);
  BaseRule base;
  int min_inputs, max_inputs;  // without the base
  bool elementwise;  // out[i] depends on the values [i] alone, so that stretches may be merged apart
  bool draws;        // needs MethodTensor::draws
  Scratch scratch{};
};

const std::vector<Method>& methods();

/// Throws ERR_CONFIG for a name that no row has.
const Method& method_named(std::string_view name);

/// Random numbers that `method` takes for a tensor of so many elements: from it follows where in a sequence
/// of draws the next tensor begins.
uint64_t draws_needed(const Method& method, const std::vector<MethodInput>& inputs, size_t size);

}  // namespace tongueforge::merge

// Data that crosses to JavaScript: what JSON has, typed arrays of numbers, and handles to native objects.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tongueforge {

/// A native object that JavaScript holds by a handle: a model, a trainer.
class Object {
 public:
  virtual ~Object() = default;
  /// Memory that V8 cannot see, in bytes: told to its garbage collector.
  virtual int64_t bytes() const = 0;
};

/// Nothing, undefined in JavaScript. Copied by code of its own, unlike std::monostate: of alternatives that
/// are all trivial or of the standard library, libstdc++ 12 takes a variant never to be valueless, and when a
/// copy throws destroys what was never made.
struct Undefined {
  Undefined() = default;
  Undefined(const Undefined&) noexcept {}
  Undefined& operator=(const Undefined&) noexcept { return *this; }
};

struct Value {
  using List = std::vector<Value>;
  using Map = std::vector<std::pair<std::string, Value>>;  // keeps its order
  std::variant<Undefined, bool, double, std::string, List, Map, std::vector<int32_t>, std::vector<float>,
               std::shared_ptr<Object>>
      data;

  Value() = default;
  Value(bool v) : data(v) {}
  Value(int v) : data(static_cast<double>(v)) {}
  Value(int64_t v) : data(static_cast<double>(v)) {}
  Value(uint64_t v) : data(static_cast<double>(v)) {}
  Value(double v) : data(v) {}
  Value(const char* v) : data(std::string(v)) {}
  Value(std::string v) : data(std::move(v)) {}
  Value(List v) : data(std::move(v)) {}
  Value(Map v) : data(std::move(v)) {}
  Value(std::vector<int32_t> v) : data(std::move(v)) {}
  Value(std::vector<float> v) : data(std::move(v)) {}
  template <class T, class = std::enable_if_t<std::is_base_of_v<Object, T>>>
  Value(std::shared_ptr<T> v) : data(std::shared_ptr<Object>(std::move(v))) {}
};

}  // namespace tongueforge

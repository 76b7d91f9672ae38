// Reads the one options object of a native call. The facade has checked it: what is missing here is our
// mistake.
#pragma once
#include <napi.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tongueforge::binding {

class Options {
 public:
  explicit Options(const Napi::Value& object);

  bool has(const char* key) const;
  std::string text(const char* key) const;
  double number(const char* key) const;
  int64_t integer(const char* key) const;
  bool flag(const char* key) const;
  Options object(const char* key) const;
  Napi::Value value(const char* key) const;
  std::vector<Options> objects(const char* key) const;
  std::vector<std::string> texts(const char* key) const;
  /// A plain array of whole numbers.
  std::vector<int64_t> integers(const char* key) const;
  /// A plain array of numbers.
  std::vector<double> numbers(const char* key) const;
  /// A table of numbers, in its order.
  std::vector<std::pair<std::string, double>> table(const char* key) const;
  /// An Int32Array, copied: native work outlives the call.
  std::vector<int32_t> int32s(const char* key) const;
  /// A list of Float32Array, copied.
  std::vector<std::vector<float>> float32_rows(const char* key) const;
  /// A Float32Array, copied; empty where there is none.
  std::vector<float> float32s(const char* key) const;
  /// A Float64Array of whole numbers, copied: counts beyond 2^31.
  std::vector<int64_t> counts(const char* key) const;
  /// A list of Int32Array, copied.
  std::vector<std::vector<int32_t>> rows(const char* key) const;

 private:
  Napi::Object object_;
};

}  // namespace tongueforge::binding

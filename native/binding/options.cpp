#include "binding/options.h"

#include "core/error.h"

namespace tongueforge::binding {
namespace {

template <class Array>
auto copied(const Napi::Value& value, napi_typedarray_type type, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type)
    throw Error("ERR_INTERNAL", str("Expected ", name));
  auto array = value.As<Array>();
  return std::vector(array.Data(), array.Data() + array.ElementLength());
}

std::vector<int32_t> copy_int32s(const Napi::Value& value) {
  return copied<Napi::Int32Array>(value, napi_int32_array, "an Int32Array");
}

std::vector<float> copy_float32s(const Napi::Value& value) {
  return copied<Napi::Float32Array>(value, napi_float32_array, "a Float32Array");
}

template <class Copy>
auto list_of(const Napi::Value& list, const Copy& copy) {
  auto array = list.As<Napi::Array>();
  std::vector<decltype(copy(list))> all;
  for (uint32_t i = 0; i < array.Length(); i++) all.push_back(copy(Napi::Value(array.Get(i))));
  return all;
}

}  // namespace

Options::Options(const Napi::Value& object) {
  if (!object.IsObject()) throw Error("ERR_INTERNAL", "Expected an options object");
  object_ = object.As<Napi::Object>();
}

bool Options::has(const char* key) const {
  Napi::Value found = object_.Get(key);
  return !found.IsUndefined() && !found.IsNull();
}

Napi::Value Options::value(const char* key) const {
  if (!has(key)) throw Error("ERR_INTERNAL", str("Missing native option '", key, "'"));
  return object_.Get(key);
}

std::string Options::text(const char* key) const { return value(key).As<Napi::String>().Utf8Value(); }
double Options::number(const char* key) const { return value(key).As<Napi::Number>().DoubleValue(); }
int64_t Options::integer(const char* key) const { return value(key).As<Napi::Number>().Int64Value(); }
bool Options::flag(const char* key) const { return has(key) && value(key).ToBoolean().Value(); }
Options Options::object(const char* key) const { return Options(value(key)); }
std::vector<int32_t> Options::int32s(const char* key) const { return copy_int32s(value(key)); }

std::vector<float> Options::float32s(const char* key) const {
  return has(key) ? copy_float32s(value(key)) : std::vector<float>{};
}

std::vector<int64_t> Options::counts(const char* key) const {
  const Napi::Value all = value(key);
  if (!all.IsTypedArray() || all.As<Napi::TypedArray>().TypedArrayType() != napi_float64_array)
    throw Error("ERR_INTERNAL", "Expected a Float64Array");
  auto array = all.As<Napi::Float64Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

std::vector<Options> Options::objects(const char* key) const {
  auto array = value(key).As<Napi::Array>();
  std::vector<Options> all;
  for (uint32_t i = 0; i < array.Length(); i++) all.emplace_back(Napi::Value(array.Get(i)));
  return all;
}

std::vector<std::string> Options::texts(const char* key) const {
  auto array = value(key).As<Napi::Array>();
  std::vector<std::string> all;
  for (uint32_t i = 0; i < array.Length(); i++)
    all.push_back(Napi::Value(array.Get(i)).As<Napi::String>().Utf8Value());
  return all;
}

std::vector<int64_t> Options::integers(const char* key) const {
  auto array = value(key).As<Napi::Array>();
  std::vector<int64_t> all;
  for (uint32_t i = 0; i < array.Length(); i++)
    all.push_back(Napi::Value(array.Get(i)).As<Napi::Number>().Int64Value());
  return all;
}

std::vector<double> Options::numbers(const char* key) const {
  auto array = value(key).As<Napi::Array>();
  std::vector<double> all;
  for (uint32_t i = 0; i < array.Length(); i++)
    all.push_back(Napi::Value(array.Get(i)).As<Napi::Number>().DoubleValue());
  return all;
}

std::vector<std::pair<std::string, double>> Options::table(const char* key) const {
  const auto object = value(key).As<Napi::Object>();
  const Napi::Array names = object.GetPropertyNames();
  std::vector<std::pair<std::string, double>> all;
  for (uint32_t i = 0; i < names.Length(); i++) {
    const Napi::Value name = names.Get(i);
    all.emplace_back(name.As<Napi::String>().Utf8Value(), object.Get(name).As<Napi::Number>().DoubleValue());
  }
  return all;
}

std::vector<std::vector<int32_t>> Options::rows(const char* key) const {
  return list_of(value(key), copy_int32s);
}

std::vector<std::vector<float>> Options::float32_rows(const char* key) const {
  return list_of(value(key), copy_float32s);
}

}  // namespace tongueforge::binding

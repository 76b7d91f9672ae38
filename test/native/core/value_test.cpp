// A Value whose copy finds no memory: the error arrives, and what was to be copied is as it was.
#include "core/value.h"

#include <sys/resource.h>

#include <new>
#include <string>
#include <vector>

#include "doctest.h"

namespace tongueforge {
namespace {

/// No address space to speak of beyond what is in use, while it lives.
class NoMoreMemory {
 public:
  NoMoreMemory() {
    ::getrlimit(RLIMIT_AS, &before_);
    const rlimit none = {1, before_.rlim_max};
    ::setrlimit(RLIMIT_AS, &none);
  }
  ~NoMoreMemory() { ::setrlimit(RLIMIT_AS, &before_); }

 private:
  rlimit before_{};
};

constexpr size_t kMany = size_t{1} << 25;  // of floats, 128 MiB: more than an allocator has in store

bool copy_finds_memory(const Value& value) {
  const NoMoreMemory limit;
  try {
    const Value copy = value;
    return true;
  } catch (const std::bad_alloc&) { return false; }
}

#ifdef __SANITIZE_ADDRESS__  // its allocator ends the process
#define UNLESS_SANITIZED *doctest::skip()
#else
#define UNLESS_SANITIZED
#endif

TEST_CASE(
    "value: a copy that finds no memory throws, and destroys nothing that was never made" UNLESS_SANITIZED) {
  const Value numbers = std::vector<float>(kMany, 1.0f);
  CHECK_FALSE(copy_finds_memory(numbers));
  CHECK(std::get<std::vector<float>>(numbers.data).size() == kMany);
  CHECK_FALSE(copy_finds_memory(std::string(4 * kMany, 'a')));
  const Value list = Value::List{1.0, std::vector<int32_t>(kMany, 1)};
  CHECK_FALSE(copy_finds_memory(list));
  CHECK(std::get<Value::List>(list.data).size() == 2);
}

TEST_CASE("value: what is small is copied as it is") {
  const Value map = Value::Map{{"a", 1.0}, {"nothing", Value()}, {"b", "text"}};
  const Value copy = map;
  const auto& entries = std::get<Value::Map>(copy.data);
  REQUIRE(entries.size() == 3);
  CHECK(std::holds_alternative<Undefined>(entries[1].second.data));
  CHECK(std::get<std::string>(entries[2].second.data) == "text");
}

}  // namespace
}  // namespace tongueforge

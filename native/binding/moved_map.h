// Results with long arrays in them. Braces, as in Value::Map{{"data", numbers}}, copy what stands in them.
#pragma once
#include <utility>

#include "core/value.h"

namespace tongueforge::binding {

inline void move_into(Value::Map&) {}

template <class Part, class... Rest>
void move_into(Value::Map& map, const char* key, Part&& value, Rest&&... rest) {
  map.emplace_back(key, std::forward<Part>(value));  // made where it stays: a Value is not moved for it
  move_into(map, std::forward<Rest>(rest)...);
}

/// moved_map("data", std::move(numbers), "width", 3): keys and values in turn.
template <class... Parts>
Value::Map moved_map(Parts&&... parts) {
  Value::Map map;
  map.reserve(sizeof...(parts) / 2);
  move_into(map, std::forward<Parts>(parts)...);
  return map;
}

}  // namespace tongueforge::binding

// What the layers of a decoder see in one pass.
#pragma once
#include <map>
#include <vector>

#include "models/decoder_spec.h"
#include "nn/attention.h"

namespace tongueforge::models {

/// make(window) for each layer; those with the same window share one.
template <class Make>
std::vector<nn::Visibility> visibility_of_layers(const std::vector<LayerSpec>& layers, const Make& make) {
  std::map<int64_t, nn::Visibility> by_window;
  std::vector<nn::Visibility> all;
  for (const auto& layer : layers) {
    auto [it, added] = by_window.try_emplace(layer.window);
    if (added) it->second = make(layer.window);
    all.push_back(it->second);
  }
  return all;
}

}  // namespace tongueforge::models

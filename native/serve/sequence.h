// A request on its way through the engine.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "generate/sampler.h"
#include "serve/request.h"

namespace tongueforge::serve {

struct Weights;  // engine.h

struct Sequence {
  Sequence(int64_t number, Request asked, std::shared_ptr<const Weights> weights, uint64_t root)
      : number(number),
        request(std::move(asked)),
        weights(std::move(weights)),
        root(root),
        tokens(request.prompt),
        sampler(request.sampling) {}

  int64_t number;  // in the order of arrival
  Request request;
  std::shared_ptr<const Weights> weights;  // those of the engine when it came
  uint64_t root;                           // of its pages (serve/prefixes.h)
  std::vector<int32_t> tokens;             // prompt and new ones
  int64_t computed = 0;                    // of the tokens, those whose keys and values are in pages
  std::vector<int32_t> pages;
  std::vector<uint64_t> nodes;  // of the pages at the beginning that are kept
  int64_t cached = 0;           // tokens of the prompt that were found in pages, before it lost a seat
  bool was_seated = false, was_unseated = false;
  generate::Sampler sampler;

  int64_t size() const { return static_cast<int64_t>(tokens.size()); }
  int64_t new_tokens() const { return size() - static_cast<int64_t>(request.prompt.size()); }
};

}  // namespace tongueforge::serve

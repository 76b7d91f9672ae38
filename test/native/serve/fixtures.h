// What tests of the serving engine share: a tiny model with a cache of some pages, and who writes down its
// answers.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "kernels/aten.h"
#include "models/tiny_decoder.h"
#include "serve/engine.h"

namespace tongueforge::test {

struct Answer {
  std::vector<int32_t> ids;
  std::vector<float> log_probs;
  std::optional<serve::End> end;
};

/// Writes down what it hears, and calls back after each step.
class Scribe final : public serve::Audience {
 public:
  void hear(const std::vector<serve::Token>& tokens, const std::vector<serve::End>& ends) override {
    for (const auto& token : tokens) {
      answers[token.request].ids.push_back(token.id);
      if (token.log_prob) answers[token.request].log_probs.push_back(*token.log_prob);
    }
    for (const auto& end : ends) answers[end.request].end = end;
    if (after_step) after_step();
  }
  std::map<int64_t, Answer> answers;
  std::function<void()> after_step;
};

inline int64_t bytes_of_pages(const models::Decoder& model, int64_t pages) {
  int64_t values = 0;
  for (const auto& layer : model.spec().layers) values += 2 * layer.num_kv_heads * model.spec().head_dim;
  return values * kernels::kPageSize * pages * static_cast<int64_t>(c10::elementSize(model.dtype()));
}

/// A tiny model whose sequences can be long.
inline std::shared_ptr<models::Decoder> long_decoder(uint64_t seed = 7) {
  auto spec = tiny_spec();
  spec.max_positions = 200;
  return tiny_decoder(spec, seed);
}

inline serve::EngineOptions with_pages(const models::Decoder& model, int64_t pages) {
  serve::EngineOptions options;
  options.cache_bytes = bytes_of_pages(model, pages);
  return options;
}

}  // namespace tongueforge::test

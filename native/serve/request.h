// What is asked of an engine, and what it answers.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "generate/sampler.h"

namespace tongueforge::serve {

struct Request {
  std::vector<int32_t> prompt;
  int64_t max_new_tokens = 256;
  std::vector<int32_t> stop_ids = {};  // any of them ends it, and is not part of the answer
  generate::SamplingOptions sampling = {};
  int64_t log_probs = -1;  // -1: none; n: of each new token, and of the n most probable ones
};

struct LogProb {
  int32_t id;
  float log_prob;  // natural logarithm, of the model's own distribution: before temperature and filters
};

struct Token {
  int64_t request;
  int32_t id;
  std::optional<float> log_prob = {};
  std::vector<LogProb> top = {};  // most probable first
};

struct Usage {
  int64_t prompt_tokens = 0, cached_tokens = 0, new_tokens = 0;  // cached: of the prompt, found in pages
};

enum class Reason : uint8_t { stop, length, cancelled, failed };

struct End {
  int64_t request;
  Reason reason;
  Usage usage;
  std::optional<Error> error = {};  // of one that failed
};

/// Who hears what becomes of requests: on the engine's thread, tokens of a request in order and then its
/// end; of nothing, now and then, while the engine waits for them to be acknowledged.
class Audience {
 public:
  virtual ~Audience() = default;
  virtual void hear(const std::vector<Token>& tokens, const std::vector<End>& ends) = 0;
};

}  // namespace tongueforge::serve

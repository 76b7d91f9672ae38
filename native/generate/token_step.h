// One step of generation for a batch of sequences: from the newest token of each to what follows. On CUDA the
// step is recorded and then replayed (kernels/graph.h): a token costs the CPU one call.
// Letters: B batch, V vocabulary.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/graph.h"
#include "models/decoder.h"

namespace tongueforge::generate {

class TokenStep {
 public:
  /// Goes on where the cache ends, with tokens that come from outside or, if `greedy`, are the most probable
  /// ones. `ids` (B,1) int64: the newest tokens, not in the cache yet. Only on CUDA is there a recording.
  TokenStep(const models::Decoder& model, models::DecoderCache cache, const at::Tensor& ids_B1, bool greedy,
            bool recorded = true);

  /// Whether every step of such a model can be the same (models::Decoder::make_places).
  static bool fits(const models::Decoder& model);

  /// A step from ids(); the host does not wait for it.
  void run();
  /// Of the last step that was not greedy, (B,V) float32; the next one overwrites them.
  const at::Tensor& logits() const { return logits_BV_; }
  /// (B,1) int64: what the next step begins with. Greedy steps write it, else it is set from outside.
  const at::Tensor& ids() const { return ids_B1_; }
  /// (B,1) float32: the greatest logits of a greedy step.
  const at::Tensor& best() const { return best_B1_; }

  int64_t batch() const { return ids_B1_.size(0); }
  /// Drops all other sequences; numbers in ascending order.
  void keep(const std::vector<int64_t>& sequences);

 private:
  void step();
  void make_room();
  void begin_at(int64_t place);

  const models::Decoder& model_;
  models::DecoderCache cache_;
  bool greedy_, recorded_;
  models::NextPlace next_;
  at::Tensor ids_B1_, best_B1_;
  std::optional<kernels::Graph> graph_;
  at::Tensor logits_BV_;  // in the graph's memory: goes first
  int rehearsals_ = 0;
};

}  // namespace tongueforge::generate

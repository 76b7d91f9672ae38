// How the heads of an encoder look at a document: along the diagonal, at a few places from everywhere, or all
// around (Yang et al. 2020, arXiv 2006.03265). A[q,k] is the probability with which a place q looks at k.
// Letters: T places, N heads, Q places of a block that look, H head dim, D model.
#pragma once
#include <vector>

#include "core/job.h"
#include "models/model.h"

namespace tongueforge::encode {

/// Of one head, in nats where it is an entropy.
struct HeadShape {
  double diagonality = 0;  // -mean over q of sum over k of |q-k|/T A[q,k]: 0 is all on the diagonal
  double verticality = 0;  // - the entropy of the mean over q of A[q,.]: 0 is one column
  double globality = 0;    // the mean over q of the entropy of A[q,.]: ln T is all alike
};

/// By layer and head, for one row of one document without padding. Probabilities are worked out in float32, a
/// block of places at a time, so that memory stays small however long the document is. Nobody else may run
/// the model meanwhile. Throws ERR_NON_FINITE, and what the model throws.
std::vector<std::vector<HeadShape>> attention_shapes(const models::Model& model, const models::Rows& document,
                                                     Job& job);

}  // namespace tongueforge::encode

#include "merge/graft/graft_piece.h"

#include <algorithm>
#include <utility>

namespace tongueforge::merge {
namespace {

/// Of the workspace: what is read, then a difference of each vector.
enum Slot : size_t { kTarget, kBase, kChat, kDeltas };

constexpr uint64_t kScanElements = uint64_t{1} << 19;

/// Where vectors pull one entry both ways, those of the losing side are left out: the sign of TIES.
void elect_signs(const std::vector<float*>& deltas, const std::vector<float>& scales, uint64_t count) {
  const auto pull = [&](size_t vector, uint64_t i) {
    const double scale = scales[vector];
    return scale == 0 ? 0 : scale * static_cast<double>(deltas[vector][i]);  // also of NaN and infinity
  };
  for (uint64_t i = 0; i < count; ++i) {
    double sum = 0;
    for (size_t vector = 0; vector < deltas.size(); ++vector) sum += pull(vector, i);
    for (size_t vector = 0; vector < deltas.size(); ++vector)
      if (pull(vector, i) * sum < 0) deltas[vector][i] = 0;
  }
}

}  // namespace

GraftPiece::GraftPiece(std::string name, Source target, std::vector<VectorSource> vectors,
                       const Sparsify& sparsify, AddedRows added)
    : name_(std::move(name)),
      target_(std::move(target)),
      vectors_(std::move(vectors)),
      sparsify_(sparsify),
      added_(std::move(added)),
      cuts_(vectors_.size()) {
  if (added_) row_elements_ = std::max<uint64_t>(1, target_.num_elements() / added_->size());
}

uint64_t GraftPiece::workspace_bytes(uint64_t chunk_bytes) const {
  const uint64_t elements = chunk_bytes / width();
  return elements *
         (12 + (vectors_.size() > 1 || sparsify_.kind != Sparsify::Kind::none ? 4 * vectors_.size() : 0));
}

void GraftPiece::prepare(Workspace& workspace, PieceSums& sums) {
  if (sparsify_.kind != Sparsify::Kind::ties) return;
  for (size_t vector = 0; vector < vectors_.size(); ++vector) {
    cuts_[vector] = MagnitudeCut(num_thinned(), sparsify_.density, [&](const MagnitudeCut::Visit& visit) {
      scan(vector, visit, workspace, sums);
    });
  }
}

uint64_t GraftPiece::num_thinned() const {
  const auto num_added = added_ ? std::count(added_->begin(), added_->end(), true) : 0;
  return target_.num_elements() - static_cast<uint64_t>(num_added) * row_elements_;
}

// Without added rows: whole rows of the chat model, not differences, they would be the largest of all.
void GraftPiece::scan(size_t vector, const MagnitudeCut::Visit& visit, Workspace& workspace,
                      PieceSums& sums) const {
  const uint64_t size = target_.num_elements();
  for (uint64_t begin = 0; begin < size; begin += kScanElements) {
    for (const auto [first, count, added] : stretches(begin, std::min(kScanElements, size - begin))) {
      workspace.check();
      if (added) continue;
      float* const delta = workspace.floats(kDeltas, count);
      read_delta(vector, first, count, delta, workspace, sums);
      visit(delta, first, count);
    }
  }
}

void GraftPiece::produce(uint64_t begin, uint64_t end, char* out, Workspace& workspace,
                         PieceSums& sums) const {
  for (const Stretch& stretch : stretches(begin / width(), (end - begin) / width())) {
    workspace.check();
    produce_stretch(stretch, out + (stretch.first * width() - begin), workspace, sums);
  }
}

std::vector<GraftPiece::Stretch> GraftPiece::stretches(uint64_t first, uint64_t count) const {
  if (!added_) return {{first, count, false}};
  std::vector<Stretch> all;
  for (const uint64_t end = first + count; first < end;) {
    const bool added = (*added_)[first / row_elements_];
    uint64_t stop = (first / row_elements_ + 1) * row_elements_;
    while (stop < end && (*added_)[stop / row_elements_] == added) stop += row_elements_;
    all.push_back({first, std::min(stop, end) - first, added});
    first = std::min(stop, end);
  }
  return all;
}

void GraftPiece::produce_stretch(const Stretch& stretch, char* out, Workspace& workspace,
                                 PieceSums& sums) const {
  const auto [first, count, added] = stretch;
  char* const target = workspace.buffer(kTarget, count * width());
  sums.bytes_read += target_.read_raw(first, count, target);
  const bool plain = vectors_.size() == 1 && (added || sparsify_.kind == Sparsify::Kind::none);
  if (!plain) return add_vectors(stretch, target, out, workspace, sums);
  const auto& [base, chat, scale] = vectors_.front();
  char* const base_bytes = workspace.buffer(kBase, count * static_cast<uint64_t>(dtype_width(base.dtype())));
  char* const chat_bytes = workspace.buffer(kChat, count * static_cast<uint64_t>(dtype_width(chat.dtype())));
  sums.bytes_read += base.read_raw(first, count, base_bytes);
  sums.bytes_read += chat.read_raw(first, count, chat_bytes);
  // An added row is zero in target and base: the chat model's row comes out.
  graft_span({target_.dtype(), base.dtype(), chat.dtype(), target, base_bytes, chat_bytes, out, count},
             added ? 1.0f : scale, sums.graft);
}

void GraftPiece::add_vectors(const Stretch& stretch, const char* target, char* out, Workspace& workspace,
                             PieceSums& sums) const {
  const auto [first, count, added] = stretch;
  std::vector<float*> deltas;
  std::vector<float> scales;
  // Of added rows the first vector alone: it is where they come from.
  for (size_t vector = 0; vector < (added ? 1 : vectors_.size()); ++vector) {
    deltas.push_back(workspace.floats(kDeltas + vector, count));
    scales.push_back(added ? 1.0f : vectors_[vector].scale);
    read_delta(vector, first, count, deltas.back(), workspace, sums);
    if (!added) thin_out(vector, first, count, deltas.back());
  }
  if (!added && sparsify_.kind == Sparsify::Kind::ties) elect_signs(deltas, scales, count);
  std::vector<ScaledDelta> scaled;
  for (size_t vector = 0; vector < deltas.size(); ++vector)
    scaled.push_back({deltas[vector], scales[vector]});
  add_many_span(target_.dtype(), target, scaled.data(), scaled.size(), out, count, sums.graft);
}

void GraftPiece::thin_out(size_t vector, uint64_t first, uint64_t count, float* delta) const {
  if (sparsify_.kind == Sparsify::Kind::ties) cuts_[vector].apply(delta, first, count);
  if (sparsify_.kind == Sparsify::Kind::dare) drop_by_chance(sparsify_, name_, vector, delta, first, count);
}

void GraftPiece::read_delta(size_t vector, uint64_t first, uint64_t count, float* delta, Workspace& workspace,
                            PieceSums& sums) const {
  const auto& [base, chat, scale] = vectors_[vector];
  char* const base_bytes = workspace.buffer(kBase, count * static_cast<uint64_t>(dtype_width(base.dtype())));
  char* const chat_bytes = workspace.buffer(kChat, count * static_cast<uint64_t>(dtype_width(chat.dtype())));
  sums.bytes_read += base.read_raw(first, count, base_bytes);
  sums.bytes_read += chat.read_raw(first, count, chat_bytes);
  subtract_span(base.dtype(), base_bytes, chat.dtype(), chat_bytes, delta, count);
}

}  // namespace tongueforge::merge

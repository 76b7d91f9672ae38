// The first half of a graft: the headers of all models in, the pieces of the output out.
#include <algorithm>

#include "checkpoint/json_text.h"
#include "merge/complaint.h"
#include "merge/copy_piece.h"
#include "merge/graft.h"
#include "merge/graft_piece.h"
#include "merge/same_layout.h"
#include "merge/vocabulary_tensors.h"

namespace tongueforge::merge {
namespace {

using checkpoint::ModelWeights;
using checkpoint::TensorSpec;
using checkpoint::Weight;

/// Older checkpoints store the rotary frequencies, newer ones compute them: they are no weights.
bool is_rotary_table(std::string_view name) { return name.ends_with("rotary_emb.inv_freq"); }

/// A model in the comparison: its weights, what it is called, whether its head is its embedding.
struct Side {
  const ModelWeights& weights;
  std::string role;
  bool tied;

  bool has_own_head() const { return !tied && weights.find(kHeadName); }

  /// What acts under this name in the model: a tied head is the embedding, whatever else the file stores.
  const Weight* acting(std::string_view name) const {
    return weights.find(name == kHeadName && tied ? kEmbeddingName : name);
  }
};

/// One vector of a graft: two sides and how they are added.
struct VectorSides {
  Side base, chat;
  const ChatVector& vector;
};

}  // namespace

class Graft::Planner {
 public:
  explicit Planner(Graft& graft)
      : graft_(graft), target_{graft.target_, "target", graft.inputs_.target.tied} {
    const auto& vectors = graft.inputs_.vectors;
    for (size_t i = 0; i < vectors.size(); ++i) {
      const std::string number = vectors.size() > 1 ? str(' ', i + 1) : "";
      vectors_.push_back({{graft.bases_[i], "base" + number, vectors[i].base.tied},
                          {graft.chats_[i], "chat" + number, vectors[i].chat.tied},
                          vectors[i]});
    }
  }

  void plan() {
    graft_.unties_head_ = target_.tied && any_side([](const Side& side) { return side.has_own_head(); });
    any_side([this](const Side& side) { return check_extra(side), false; });
    std::vector<NewTensor> added;
    if (graft_.unties_head_ && !target_.weights.find(kHeadName)) {
      const Weight* embedding = target_.weights.find(kEmbeddingName);
      if (embedding) added.push_back(new_tensor(std::string(kHeadName), *embedding));
    }
    graft_.output_ = with_layout_of(
        target_.weights,
        [this](const Weight& weight) {
          // A head that becomes the model's own begins as what acted, not as what may be a stale copy of it.
          const bool becomes_own = graft_.unties_head_ && weight.name() == kHeadName;
          return new_tensor(weight.name(), becomes_own ? *target_.acting(kHeadName) : weight);
        },
        std::move(added));
    for (const Complaint* complaint : {&missing_, &vocabulary_, &shapes_, &dtypes_})
      if (!complaint->rows.empty()) graft_.problems_.push_back(complaint->to_error());
  }

 private:
  template <class Test>
  bool any_side(const Test& test) const {
    bool any = false;
    for (const VectorSides& sides : vectors_)
      for (const Side* side : {&sides.base, &sides.chat}) any = test(*side) || any;
    return any;
  }

  void check_extra(const Side& side) {
    for (const Weight& weight : side.weights.tensors()) {
      if (is_rotary_table(weight.name()) || target_.weights.find(weight.name())) continue;
      // A copy of the embedding, or the reason that the output's head is its own.
      if (weight.name() == kHeadName && (side.tied || target_.tied)) continue;
      missing_.rows.push_back(
          str(checkpoint::printable(weight.name()), ": in the ", side.role, " model, not in the target"));
    }
  }

  /// The tensor `name` of the output, which begins as `target`.
  NewTensor new_tensor(const std::string& name, const Weight& target) {
    const RowMap rows = is_vocabulary(name) ? graft_.inputs_.target_rows : nullptr;
    Source source(target, rows);
    const TensorSpec spec{name, target.dtype(), source.shape()};
    auto vectors = is_rotary_table(name) ? std::vector<VectorSource>{} : vector_sources(name, source);
    const bool copied = vectors.empty() || !graft_supports(target.dtype());
    graft_.told_.insert_or_assign(name, Told{module_kind_of(name), copied, source.num_elements()});
    graft_.bytes_to_read_ += bytes_of(source, rows);
    if (copied) return {spec, std::make_unique<CopyPiece>(target)};
    graft_.differences_.push_back({name, vectors.front().base, vectors.front().chat});
    return {spec,
            std::make_unique<GraftPiece>(name, std::move(source), std::move(vectors), graft_.inputs_.sparsify,
                                         rows ? graft_.inputs_.added_rows : nullptr)};
  }

  /// One a vector; none where anything is wrong.
  std::vector<VectorSource> vector_sources(const std::string& name, const Source& target) {
    std::vector<VectorSource> sources;
    for (const VectorSides& sides : vectors_) {
      const Weight* base = acting(sides.base, name);
      const Weight* chat = acting(sides.chat, name);
      if (!base || !chat) continue;
      const bool mapped = is_vocabulary(name);
      const RowMap base_rows = mapped ? sides.vector.base_rows : nullptr;
      const RowMap chat_rows = mapped ? sides.vector.chat_rows : nullptr;
      const Source base_source(*base, base_rows), chat_source(*chat, chat_rows);
      if (!check_shapes(name, target, base_source, chat_source, sides) ||
          !check_dtypes(name, target, base_source, chat_source, sides))
        continue;
      const auto scale = sides.vector.scales.find(name);
      sources.push_back(
          {base_source, chat_source, scale == sides.vector.scales.end() ? 0.0f : scale->second});
      if (!graft_supports(target.dtype())) continue;
      const uint64_t passes = graft_.inputs_.sparsify.kind == Sparsify::Kind::ties ? 3 : 1;
      graft_.bytes_to_read_ += passes * (bytes_of(base_source, base_rows) + bytes_of(chat_source, chat_rows));
    }
    return sources.size() == vectors_.size() ? std::move(sources) : std::vector<VectorSource>{};
  }

  static uint64_t bytes_of(const Source& source, const RowMap& rows) {
    const uint64_t bytes = source.num_elements() * static_cast<uint64_t>(dtype_bits(source.dtype())) / 8;
    if (!rows || rows->empty()) return bytes;
    const auto present = std::count_if(rows->begin(), rows->end(), [](int32_t row) { return row >= 0; });
    return bytes / rows->size() * static_cast<uint64_t>(present);
  }

  const Weight* acting(const Side& side, const std::string& name) {
    const Weight* weight = side.acting(name);
    if (!weight)
      missing_.rows.push_back(
          str(checkpoint::printable(name), ": in the target, not in the ", side.role, " model"));
    return weight;
  }

  bool check_shapes(const std::string& name, const Source& target, const Source& base, const Source& chat,
                    const VectorSides& sides) {
    if (target.shape() == base.shape() && target.shape() == chat.shape()) return true;
    Complaint& complaint = is_vocabulary(name) ? vocabulary_ : shapes_;
    complaint.rows.push_back(str(checkpoint::printable(name), ": target ", shape_text(target.shape()), ", ",
                                 sides.base.role, ' ', shape_text(base.shape()), ", ", sides.chat.role, ' ',
                                 shape_text(chat.shape())));
    return false;
  }

  /// Floats that we compute with, or nothing to compute with at all.
  bool check_dtypes(const std::string& name, const Source& target, const Source& base, const Source& chat,
                    const VectorSides& sides) {
    if (graft_supports(target.dtype()) && graft_reads(base.dtype()) && graft_reads(chat.dtype())) return true;
    const auto is_integer = [](const Source& source) { return !dtype_is_float(source.dtype()); };
    if (is_integer(target) && is_integer(base) && is_integer(chat)) return true;
    dtypes_.rows.push_back(str(checkpoint::printable(name), ": target ", dtype_name(target.dtype()), ", ",
                               sides.base.role, ' ', dtype_name(base.dtype()), ", ", sides.chat.role, ' ',
                               dtype_name(chat.dtype())));
    return false;
  }

  Graft& graft_;
  Side target_;
  std::vector<VectorSides> vectors_;
  Complaint missing_{
      "ERR_MISSING_TENSOR", "Expected all models to have the same tensors",
      "All must be of one architecture: the target continues from the base, the chat model too."};
  Complaint vocabulary_{
      "ERR_VOCABULARY", "Expected the models to have vocabularies of one size",
      "Put the tokenizer.json of each model into its folder: rows are then matched by token."};
  Complaint shapes_{"ERR_SHAPE_MISMATCH", "Expected the models to have the same shapes",
                    "All must be of one architecture and size."};
  Complaint dtypes_{"ERR_DTYPE",
                    "Expected a target in BF16, F16 or F32, and base and chat in one of these or in float8",
                    "Convert quantised or 64-bit weights to bfloat16 first."};
};

Graft::Graft(GraftInputs inputs)
    : inputs_(std::move(inputs)), target_(ModelWeights::open(inputs_.target.folder)) {
  for (const ChatVector& vector : inputs_.vectors) {
    bases_.push_back(ModelWeights::open(vector.base.folder));
    chats_.push_back(ModelWeights::open(vector.chat.folder));
  }
  Planner(*this).plan();
}

}  // namespace tongueforge::merge

// The first half of a graft: the headers of all models in, the pieces of the output out.
#include <algorithm>

#include "checkpoint/json_text.h"
#include "merge/complaint.h"
#include "merge/graft/graft.h"
#include "merge/graft/graft_piece.h"
#include "merge/model_side.h"
#include "merge/stream/copy_piece.h"
#include "merge/stream/same_layout.h"

namespace tongueforge::merge {
namespace {

using checkpoint::ModelWeights;
using checkpoint::TensorSpec;
using checkpoint::Weight;

/// One vector of a graft: two sides, or their difference, and how it is added.
struct VectorSides {
  std::optional<Side> base, chat;
  const DeltaFile* delta;
  std::string number;  // " 2", where there are several
  const ChatVector& vector;
};

/// A tensor of a delta file. It is opened for each stretch, since what some formats need to be read is not to
/// lie in memory for all tensors at a time; but rows in another order are many short stretches.
Source source_of(const DeltaFile& delta, const DeltaEntry& entry, const RowMap& rows) {
  if (!rows) {
    const auto read = [delta = &delta, entry = &entry](uint64_t first, uint64_t count, float* out) {
      delta->open_tensor(*entry)->read(first, count, out);
    };
    return Source(read, entry.shape);
  }
  const std::shared_ptr<const DeltaTensor> opened = delta.open_tensor(entry);
  std::vector<int64_t> shape = entry.shape;
  shape.at(0) += static_cast<int64_t>(entry.own_rows.size());
  return Source([opened](uint64_t first, uint64_t count, float* out) { opened->read(first, count, out); },
                std::move(shape), rows);
}

/// Rows that are added are the chat model's own, which lie behind those of the difference. Null where one of
/// them is not in the file.
RowMap with_own_rows(const DeltaEntry& entry, const RowMap& rows, const AddedRows& added) {
  if (!rows || !added) return rows;
  auto all = std::make_shared<std::vector<int32_t>>(*rows);
  for (size_t row = 0; row < all->size(); ++row) {
    if (!(*added)[row]) continue;
    const auto own = std::lower_bound(entry.own_rows.begin(), entry.own_rows.end(), (*rows)[row]);
    if (own == entry.own_rows.end() || *own != (*rows)[row]) return nullptr;
    (*all)[row] = static_cast<int32_t>(entry.shape[0] + (own - entry.own_rows.begin()));
  }
  return all;
}

bool has_rows_beyond(const RowMap& rows, const DeltaEntry& entry) {
  return !rows->empty() && *std::max_element(rows->begin(), rows->end()) >= entry.shape.at(0);
}

}  // namespace

class Graft::Planner {
 public:
  explicit Planner(Graft& graft)
      : graft_(graft), target_{graft.target_, "target", graft.inputs_.target.tied} {
    const auto& vectors = graft.inputs_.vectors;
    for (size_t i = 0; i < vectors.size(); ++i) {
      const std::string number = vectors.size() > 1 ? str(' ', i + 1) : "";
      const auto& [base, chat, delta] = graft.files_[i];
      vectors_.push_back({std::nullopt, std::nullopt, delta.get(), number, vectors[i]});
      if (delta) continue;
      vectors_.back().base.emplace(Side{*base, "base" + number, vectors[i].base.tied});
      vectors_.back().chat.emplace(Side{*chat, "chat" + number, vectors[i].chat.tied});
    }
  }

  void plan() {
    for (const VectorSides& sides : vectors_) {
      graft_.unties_head_ = graft_.unties_head_ || (target_.tied && has_own_head(sides));
      check_extra(sides);
    }
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
  /// A delta holds a head where one of its models had its own.
  static bool has_own_head(const VectorSides& sides) {
    if (sides.delta) return sides.delta->find(kHeadName);
    return sides.base->has_own_head() || sides.chat->has_own_head();
  }

  void check_extra(const VectorSides& sides) {
    if (sides.delta) {
      for (const DeltaEntry& entry : sides.delta->tensors())
        check_extra(entry.name, "delta" + sides.number, false);
      return;
    }
    for (const auto* side : {&sides.base, &sides.chat})
      for (const Weight& weight : (*side)->weights.tensors())
        check_extra(weight.name(), (*side)->role + " model", (*side)->tied);
  }

  void check_extra(const std::string& name, const std::string& where, bool tied) {
    if (is_rotary_table(name) || target_.weights.find(name)) return;
    // A copy of the embedding, or the reason that the output's head is its own.
    if (name == kHeadName && (tied || target_.tied)) return;
    missing_.rows.push_back(str(checkpoint::printable(name), ": in the ", where, ", not in the target"));
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
      auto source = sides.delta ? delta_source(name, target, sides) : model_source(name, target, sides);
      if (!source) continue;
      const auto scale = sides.vector.scales.find(name);
      source->scale = scale == sides.vector.scales.end() ? 0.0f : scale->second;
      sources.push_back(std::move(*source));
    }
    return sources.size() == vectors_.size() ? std::move(sources) : std::vector<VectorSource>{};
  }

  std::optional<VectorSource> model_source(const std::string& name, const Source& target,
                                           const VectorSides& sides) {
    const Weight *base = acting(*sides.base, name), *chat = acting(*sides.chat, name);
    if (!base || !chat) return std::nullopt;
    const bool mapped = is_vocabulary(name);
    const RowMap base_rows = mapped ? sides.vector.base_rows : nullptr;
    const RowMap chat_rows = mapped ? sides.vector.chat_rows : nullptr;
    const Source base_source(*base, base_rows), chat_source(*chat, chat_rows);
    if (!check_shapes(name, target, base_source, chat_source, sides) ||
        !check_dtypes(name, target, base_source, chat_source, sides))
      return std::nullopt;
    count_reading(target, bytes_of(base_source, base_rows) + bytes_of(chat_source, chat_rows));
    return VectorSource{base_source, chat_source};
  }

  /// d = d - 0: the arithmetic of two models, bit for bit.
  std::optional<VectorSource> delta_source(const std::string& name, const Source& target,
                                           const VectorSides& sides) {
    const DeltaEntry* entry = sides.delta->find(name);
    // Of two tied models there is no head: their embedding acts as one.
    if (!entry && name == kHeadName) entry = sides.delta->find(kEmbeddingName);
    const bool is_float = graft_supports(target.dtype());
    if (!entry) {
      if (is_float)
        missing_.rows.push_back(
            str(checkpoint::printable(name), ": in the target, not in the delta", sides.number));
      return std::nullopt;
    }
    const RowMap given = is_vocabulary(name) ? sides.vector.chat_rows : nullptr;
    const RowMap rows = with_own_rows(*entry, given, graft_.inputs_.added_rows);
    if (given && (!rows || has_rows_beyond(given, *entry))) {
      vocabulary_.rows.push_back(str(checkpoint::printable(name), ": the delta", sides.number,
                                     " lacks rows of the chat model that the target needs"));
      return std::nullopt;
    }
    const Source difference = source_of(*sides.delta, *entry, rows);
    if (difference.shape() != target.shape()) {
      (is_vocabulary(name) ? vocabulary_ : shapes_)
          .rows.push_back(str(checkpoint::printable(name), ": target ", shape_text(target.shape()), ", delta",
                              sides.number, ' ', shape_text(difference.shape())));
      return std::nullopt;
    }
    if (!is_float) {
      dtypes_.rows.push_back(str(checkpoint::printable(name), ": target ", dtype_name(target.dtype())));
      return std::nullopt;
    }
    count_reading(target, bytes_of(difference, rows));
    return VectorSource{Source::zeros(difference.shape()), difference};
  }

  void count_reading(const Source& target, uint64_t bytes) {
    const uint64_t passes = graft_.inputs_.sparsify.kind == Sparsify::Kind::ties ? 3 : 1;
    if (graft_supports(target.dtype())) graft_.bytes_to_read_ += passes * bytes;
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
                                 sides.base->role, ' ', shape_text(base.shape()), ", ", sides.chat->role, ' ',
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
                               sides.base->role, ' ', dtype_name(base.dtype()), ", ", sides.chat->role, ' ',
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
    VectorFiles& files = files_.emplace_back();
    if (!vector.delta.empty()) {
      files.delta = std::make_unique<DeltaFile>(DeltaFile::open(vector.delta));
      continue;
    }
    files.base = ModelWeights::open(vector.base.folder);
    files.chat = ModelWeights::open(vector.chat.folder);
  }
  Planner(*this).plan();
}

}  // namespace tongueforge::merge

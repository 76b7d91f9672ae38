// The first half of extending a vocabulary: headers in, the new headers and one list of steps out.
#include <algorithm>

#include "merge/complaint.h"
#include "merge/rows/extended_piece.h"
#include "merge/stream/copy_piece.h"
#include "merge/stream/same_layout.h"
#include "merge/vocabulary_tensors.h"

namespace tongueforge::merge {
namespace {

bool is_supported(DType dtype) { return dtype == DType::BF16 || dtype == DType::F16 || dtype == DType::F32; }

}  // namespace

class RowExtension::Planner {
 public:
  Planner(RowExtension& extension, bool tied) : extension_(extension), tied_(tied) {}

  void plan() {
    for (const auto name : {kEmbeddingName, kHeadName}) check_tensor(name);
    check_pieces();
    for (const Complaint* complaint : {&missing_, &shapes_, &pieces_, &dtypes_})
      if (!complaint->rows.empty()) extension_.problems_.push_back(complaint->to_error());
    if (!extension_.problems_.empty()) return;
    extension_.output_ = with_layout_of(
        extension_.model_, [this](const checkpoint::Weight& weight) { return plan_tensor(weight); });
  }

 private:
  void check_tensor(std::string_view name) {
    const auto* tensor = extension_.model_.find(name);
    if (!tensor) {
      if (name == kEmbeddingName || !tied_) missing_.rows.push_back(std::string(name));
      return;
    }
    const auto& shape = tensor->shape();
    const bool fits = shape.size() == 2 && shape[0] >= extension_.rows_.first;
    if (!fits)
      shapes_.rows.push_back(
          str(name, ": expected at least ", extension_.rows_.first, " rows, received ", shape_text(shape)));
    if (!is_supported(tensor->dtype())) dtypes_.rows.push_back(str(name, ": ", dtype_name(tensor->dtype())));
    if (fits) num_old_rows_ = std::max(num_old_rows_, shape[0]);
  }

  void check_pieces() {
    const NewRows& rows = extension_.rows_;
    const int64_t end = rows.first + static_cast<int64_t>(rows.pieces.size());
    if (rows.num_rows < std::max(end, num_old_rows_))
      pieces_.rows.push_back(
          str(rows.num_rows, " rows for ", end, " tokens and ", num_old_rows_, " rows of the model"));
    for (size_t token = 0; token < rows.pieces.size(); ++token) {
      const auto& pieces = rows.pieces[token];
      if (pieces.empty() ||
          std::any_of(pieces.begin(), pieces.end(), [&](int32_t id) { return id < 0 || id >= rows.first; }))
        pieces_.rows.push_back(str("new token ", token, ": pieces outside the rows below ", rows.first));
    }
  }

  NewTensor plan_tensor(const checkpoint::Weight& weight) {
    checkpoint::TensorSpec spec{weight.name(), weight.dtype(), weight.shape()};
    if (!is_vocabulary(weight.name())) {
      extension_.bytes_to_read_ += weight.num_bytes();
      return {std::move(spec), std::make_unique<CopyPiece>(weight)};
    }
    spec.shape[0] = extension_.rows_.num_rows;
    auto piece = std::make_unique<ExtendedPiece>(weight, extension_.rows_);
    extension_.bytes_to_read_ += piece->bytes_to_read();
    return {std::move(spec), std::move(piece)};
  }

  RowExtension& extension_;
  bool tied_;
  int64_t num_old_rows_ = 0;
  Complaint missing_{"ERR_MISSING_TENSOR", "Expected an embedding, and a head where config.json ties none",
                     "Compare config.json (tie_word_embeddings) with the weights."};
  Complaint shapes_{"ERR_SHAPE_MISMATCH", "Expected a row for every token of the tokenizer",
                    "Do tokenizer.json and the weights belong together?"};
  Complaint pieces_{"ERR_VOCABULARY", "Expected the pieces of new tokens to have rows",
                    "Do tokenizer.json and the weights belong together?"};
  Complaint dtypes_{"ERR_DTYPE", "Expected BF16, F16 or F32", "Extend the model before it is quantised."};
};

RowExtension::RowExtension(const std::string& model_folder, NewRows rows, bool tied)
    : model_(checkpoint::ModelWeights::open(model_folder)), rows_(std::move(rows)) {
  Planner(*this, tied).plan();
}

}  // namespace tongueforge::merge

// The first half of extending a vocabulary: headers in, the new headers and one list of steps out.
#include <algorithm>
#include <filesystem>

#include "checkpoint/safetensors_writer.h"
#include "checkpoint/shard_index.h"
#include "merge/complaint.h"
#include "merge/row_extension.h"

namespace tongueforge::merge {
namespace {

using checkpoint::TensorInfo;

constexpr std::string_view kHead = "lm_head.weight", kEmbedding = "model.embed_tokens.weight";

bool is_supported(DType dtype) { return dtype == DType::BF16 || dtype == DType::F16 || dtype == DType::F32; }

// A stored copy of a tied head is extended as the embedding is.
bool is_vocabulary(std::string_view name) { return name == kHead || name == kEmbedding; }

}  // namespace

class RowExtension::Planner {
 public:
  Planner(RowExtension& extension, bool tied) : extension_(extension), tied_(tied) {}

  void plan() {
    for (const auto name : {kEmbedding, kHead}) check_tensor(name);
    check_pieces();
    for (const Complaint* complaint : {&missing_, &shapes_, &pieces_, &dtypes_})
      if (!complaint->rows.empty()) extension_.problems_.push_back(complaint->to_error());
    if (!extension_.problems_.empty()) return;
    for (const auto& source : extension_.model_.files()) plan_file(source);
    if (extension_.model_.is_sharded()) plan_index();
  }

 private:
  void check_tensor(std::string_view name) {
    const auto* tensor = extension_.model_.find(name);
    if (!tensor) {
      if (name == kEmbedding || !tied_) missing_.rows.push_back(std::string(name));
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

  // A file whose vocabulary does not grow keeps its header as it is.
  void plan_file(const checkpoint::WeightFile& source) {
    File file{&source, {}, source.file.file_size(), {}};
    std::vector<const TensorInfo*> tensors;
    for (const TensorInfo& tensor : source.file.tensors()) tensors.push_back(&tensor);
    std::stable_sort(tensors.begin(), tensors.end(),
                     [](const TensorInfo* a, const TensorInfo* b) { return a->begin < b->begin; });
    std::vector<checkpoint::TensorSpec> specs;
    bool grows = false;
    for (const TensorInfo* tensor : tensors) {
      file.steps.push_back({tensor, tensor->begin, is_vocabulary(tensor->name)});
      specs.push_back({tensor->name, tensor->dtype, tensor->shape});
      if (!file.steps.back().extended) continue;
      grows |= tensor->shape[0] != extension_.rows_.num_rows;
      specs.back().shape[0] = extension_.rows_.num_rows;
    }
    if (grows) {
      const auto plan =
          checkpoint::plan_file(specs, source.file.metadata(), checkpoint::TensorOrder::AsGiven);
      for (size_t i = 0; i < specs.size(); ++i) file.steps[i].begin = plan.tensors[i].begin;
      file.header = plan.header;
      file.file_size = plan.file_size();
    } else {
      file.header = source.file.read_header_bytes();
    }
    grown_by_ += static_cast<int64_t>(file.file_size - file.header.size()) -
                 static_cast<int64_t>(source.file.file_size() - source.file.data_begin());
    extension_.bytes_to_read_ += source.file.file_size();
    extension_.bytes_to_write_ += file.file_size;
    extension_.files_.push_back(std::move(file));
  }

  // The index as it is, but for the size that it states.
  void plan_index() {
    const auto path = std::filesystem::path(extension_.model_.folder()) / checkpoint::kIndexFileName;
    extension_.index_ = checkpoint::read_file(path.string(), checkpoint::kMaxIndexBytes);
    const auto index = checkpoint::parse_shard_index(extension_.index_, path.string());
    if (index.total_size) {
      const std::string size = std::to_string(*index.total_size);
      const auto at = extension_.index_.find(size, index.total_size_offset);
      const auto grown = static_cast<uint64_t>(static_cast<int64_t>(*index.total_size) + grown_by_);
      extension_.index_.replace(at, size.size(), std::to_string(grown));
    }
    extension_.bytes_to_write_ += extension_.index_.size();
  }

  RowExtension& extension_;
  bool tied_;
  int64_t num_old_rows_ = 0;
  int64_t grown_by_ = 0;  // bytes of data
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

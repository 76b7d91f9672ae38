// The first half of merging an adapter: headers and its config in, one list of steps out.
#include <algorithm>
#include <cstring>
#include <map>

#include "checkpoint/json_text.h"
#include "merge/adapter/adapter_merge.h"
#include "merge/adapter/adapter_pieces.h"
#include "merge/complaint.h"
#include "merge/stream/copy_piece.h"
#include "merge/stream/same_layout.h"
#include "merge/vocabulary_tensors.h"

namespace tongueforge::merge {
namespace {

using checkpoint::TensorInfo;

constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kA = ".lora_A.weight", kB = ".lora_B.weight", kWeight = ".weight";

bool is_supported(DType dtype) { return dtype == DType::BF16 || dtype == DType::F16 || dtype == DType::F32; }

// The tensors of an adapter that belong to one tensor of the model.
struct Parts {
  const TensorInfo *a = nullptr, *b = nullptr, *replacement = nullptr;
};

}  // namespace

class AdapterMerge::Planner {
 public:
  Planner(AdapterMerge& merge, const std::vector<LowRankSpec>& modules, bool tied)
      : merge_(merge), tied_(tied) {
    for (const auto& spec : modules) specs_.emplace(spec.module + std::string(kWeight), spec);
  }

  void plan() {
    for (const TensorInfo& tensor : merge_.adapter_.tensors()) sort_in(tensor);
    if (tied_) check_tied();
    for (const auto& [name, parts] : parts_)
      if (!merge_.model_.find(name))
        unexpected_.rows.push_back(str(checkpoint::printable(name), ": in the adapter, not in the model"));
    merge_.output_ = with_layout_of(merge_.model_, [this](const checkpoint::Weight& weight) {
      auto piece = plan_piece(weight);
      return NewTensor{{weight.name(), weight.dtype(), weight.shape()}, std::move(piece)};
    });
    for (const Complaint* complaint : {&tied_apart_, &unexpected_, &missing_, &shapes_, &dtypes_})
      if (!complaint->rows.empty()) merge_.problems_.push_back(complaint->to_error());
  }

 private:
  void sort_in(const TensorInfo& tensor) {
    std::string_view name = tensor.name;
    if (!name.starts_with(kPrefix)) {
      unexpected_.rows.push_back(str(checkpoint::printable(name), ": expected ", kPrefix, "... before it"));
      return;
    }
    name.remove_prefix(kPrefix.size());
    const auto weight_of = [&](std::string_view suffix) {
      return std::string(name.substr(0, name.size() - suffix.size())) + std::string(kWeight);
    };
    if (name.ends_with(kA)) {
      parts_[weight_of(kA)].a = &tensor;
    } else if (name.ends_with(kB)) {
      parts_[weight_of(kB)].b = &tensor;
    } else {
      parts_[std::string(name)].replacement = &tensor;
    }
  }

  /// PEFT stores both ends of a tied embedding; trained apart they have no place in a model that has one
  /// tensor.
  void check_tied() {
    const Parts head = parts_[std::string(kHeadName)], embedding = parts_[std::string(kEmbeddingName)];
    parts_.erase(std::string(kHeadName));
    if (!embedding.replacement) parts_.erase(std::string(kEmbeddingName));
    const bool none = !head.replacement && !head.a && !head.b && !embedding.replacement;
    if (none ||
        (head.replacement && embedding.replacement && is_same(*head.replacement, *embedding.replacement)))
      return;
    tied_apart_.rows.push_back(str(kHeadName, " and ", kEmbeddingName));
  }

  bool is_same(const TensorInfo& a, const TensorInfo& b) const {
    if (a.dtype != b.dtype || a.shape != b.shape) return false;
    constexpr uint64_t kChunk = uint64_t{1} << 20;
    std::vector<char> left(kChunk), right(kChunk);
    for (uint64_t offset = 0; offset < a.num_bytes(); offset += kChunk) {
      const uint64_t part = std::min(kChunk, a.num_bytes() - offset);
      merge_.adapter_.read_range(a, offset, part, left.data());
      merge_.adapter_.read_range(b, offset, part, right.data());
      if (std::memcmp(left.data(), right.data(), part) != 0) return false;
    }
    return true;
  }

  // A stored copy of a tied head goes the way of the embedding.
  std::unique_ptr<Piece> plan_piece(const checkpoint::Weight& target) {
    const std::string_view acting =
        tied_ && target.name() == kHeadName ? kEmbeddingName : std::string_view(target.name());
    const auto found = parts_.find(std::string(acting));
    if (found == parts_.end()) return plan_copy(target);
    const auto [a, b, replacement] = found->second;
    if (replacement) return plan_replacement(target, *replacement);
    const auto spec = specs_.find(std::string(acting));
    if (!a || !b || spec == specs_.end()) {
      missing_.rows.push_back(str(checkpoint::printable(acting), ": lora_A and lora_B of one module"));
      return plan_copy(target);
    }
    return plan_product(target, *a, *b, spec->second);
  }

  std::unique_ptr<Piece> plan_copy(const checkpoint::Weight& target) {
    merge_.fates_.emplace(target.name(), Fate::copied);
    merge_.bytes_to_read_ += target.num_bytes();
    return std::make_unique<CopyPiece>(target);
  }

  std::unique_ptr<Piece> plan_replacement(const checkpoint::Weight& target, const TensorInfo& replacement) {
    check_shape(*target.info, replacement.shape, target.shape());
    check_dtypes({target.info, &replacement});
    merge_.fates_.emplace(target.name(), Fate::replaced);
    merge_.bytes_to_read_ += replacement.num_bytes();
    return std::make_unique<ReplacedPiece>(checkpoint::Weight{&replacement, &merge_.adapter_},
                                           target.dtype());
  }

  std::unique_ptr<Piece> plan_product(const checkpoint::Weight& target, const TensorInfo& a,
                                      const TensorInfo& b, const LowRankSpec& spec) {
    if (target.shape().size() != 2) {
      shapes_.rows.push_back(str(checkpoint::printable(target.name()), ": no matrix"));
      return plan_copy(target);
    }
    check_shape(a, a.shape, {spec.rank, target.shape()[1]});
    check_shape(b, b.shape, {target.shape()[0], spec.rank});
    check_dtypes({target.info, &a, &b});
    merge_.fates_.emplace(target.name(), Fate::merged);
    merge_.bytes_to_read_ += target.num_bytes() + a.num_bytes() + b.num_bytes();
    merge_.settings_ += str(target.name(), ' ', std::hash<double>()(spec.scale), '\n');
    return std::make_unique<LowRankPiece>(target, LowRankSource{&merge_.adapter_, &a, &b, spec.scale});
  }

  void check_shape(const TensorInfo& tensor, const std::vector<int64_t>& received,
                   const std::vector<int64_t>& expected) {
    if (received != expected)
      shapes_.rows.push_back(str(checkpoint::printable(tensor.name), ": expected ", shape_text(expected),
                                 ", received ", shape_text(received)));
  }

  void check_dtypes(std::initializer_list<const TensorInfo*> tensors) {
    for (const auto* tensor : tensors)
      if (!is_supported(tensor->dtype))
        dtypes_.rows.push_back(str(checkpoint::printable(tensor->name), ": ", dtype_name(tensor->dtype)));
  }

  AdapterMerge& merge_;
  bool tied_;
  std::map<std::string, LowRankSpec> specs_;  // by the name of the weight
  std::map<std::string, Parts> parts_;        // by the name of the model's tensor
  Complaint tied_apart_{"ERR_TIED_WEIGHTS",
                        "Expected embedding and head of the adapter to be one tensor, as in the model",
                        "Train with ensure_weight_tying, or on a model whose head is its own."};
  Complaint unexpected_{
      "ERR_UNEXPECTED_TENSOR", "Expected the adapter's tensors to have a place in the model",
      "The adapter was trained on another model, or on modules that this one does not have."};
  Complaint missing_{"ERR_MISSING_TENSOR", "Expected every module of the adapter to be whole",
                     "Is the download complete, and does adapter_config.json belong to the weights?"};
  Complaint shapes_{"ERR_SHAPE_MISMATCH", "Expected the adapter to fit the model",
                    "The adapter was trained on a model of another size, or its rank is another."};
  Complaint dtypes_{"ERR_DTYPE", "Expected BF16, F16 or F32",
                    "Merge into the model before it was quantised."};
};

AdapterMerge::AdapterMerge(const std::string& model_folder, const std::string& adapter_file,
                           const std::vector<LowRankSpec>& modules, bool tied)
    : model_(checkpoint::ModelWeights::open(model_folder)),
      adapter_(checkpoint::SafetensorsFile::open(adapter_file)) {
  Planner(*this, modules, tied).plan();
}

}  // namespace tongueforge::merge
